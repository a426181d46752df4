"""Synthetic people, drawn with Pillow and NumPy, seeded: for the demo, the tests and a smoke run without photos.

A `Person` is what stays from photo to photo; pose, expression, light, background, scale, the age of the hair cut and
noise vary. Same seed, same pixels. Refuses to imitate anybody: names and faces are made up.
"""

from facesearch.demo.album import Album, write_album
from facesearch.demo.drawing import DrawnFace, DrawnPhoto, draw_group, draw_portrait
from facesearch.demo.person import Person, random_people

__all__ = ["Album", "DrawnFace", "DrawnPhoto", "Person", "draw_group", "draw_portrait", "random_people", "write_album"]
