"""People whose embeddings also say something else, and a library of them: there is something to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facesearch.library import Library
from facesearch.records import DetectedFace, EmbeddedFace, Floats, Models, NewPhoto, PhotoFile

MODELS = Models("detector-1", "ab" * 32, "tower", 1.3)
MARGIN = 1.5
PEOPLE, PHOTOS = 16, 10


def noisy_people(seed: int, people: int = PEOPLE, photos: int = PHOTOS) -> tuple[Floats, list[int]]:
    """People whose identity lies in half of the dimensions, under noise that is louder in the others: a head that turns
    the noise down tells them apart, also people that it has not seen."""
    rng = np.random.default_rng(seed)
    centres = np.concatenate([rng.normal(size=(people, 16)), np.zeros((people, 16))], axis=1) * 0.2
    noise = rng.normal(size=(people, photos, 32)) * np.repeat([0.08, 0.22], 16)
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(32, 32)))[0]
    faces = (centres[:, None] + noise).reshape(-1, 32) @ turn
    return faces.astype(np.float32), np.repeat(np.arange(people), photos).tolist()


def fill_library(
    path: Path, embeddings: Floats, people: list[int], source: str = "user", models: Models = MODELS
) -> Path:
    """A library with a photo for each face, and people by number; nobody for a negative one."""
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    with Library.create(path, models) as library:
        with library.changing():
            for number, embedding in enumerate(embeddings):
                photo = NewPhoto(f"{number:064}", 9, 9, [EmbeddedFace(face, embedding)])
                file = PhotoFile(path.parent / f"{number:05}.jpg", 1, 1)
                library.files.put(file, library.catalog.add_photo(photo))
            for person in sorted({person for person in people if person >= 0}):
                faces = [number + 1 for number, whose in enumerate(people) if whose == person]
                library.people.label(library.people.named(f"Person {person:02}"), faces, source)
        library.save_vectors()
    return path
