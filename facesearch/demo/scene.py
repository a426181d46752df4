"""Backgrounds, clothes, and what the camera makes of a scene. Knows nothing of faces."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from facesearch.demo.shot import Camera, Light
from facesearch.records import Floats, Pixels

_LUMA = np.array((0.299, 0.587, 0.114))


def background(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    """A wall, a room out of focus or a landscape: float32 (3, height, width) sRGB 0..1. size: (height, width)."""
    base, other = rng.uniform(0.12, 0.9, 3), rng.uniform(0.12, 0.9, 3)
    saturation = rng.uniform(0.05, 0.5)
    base, other = (colour.mean() + (colour - colour.mean()) * saturation for colour in (base, other))
    small = np.empty((24, 24, 3), np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    down, across = np.mgrid[-1:1:24j, -1:1:24j]
    share = 0.5 + 0.5 * np.clip(np.cos(angle) * across + np.sin(angle) * down, -1, 1)
    kind = rng.integers(3)
    if kind == 1:  # a horizon
        share = 1 / (1 + np.exp(-(down - rng.uniform(-0.4, 0.4)) * 8))
    small[:] = base + (other - base) * share[..., None] * rng.uniform(0.2, 1)
    if kind == 2:  # things out of focus
        for _ in range(rng.integers(4, 10)):
            top, left = rng.integers(-6, 22, 2)
            tall, wide = rng.integers(3, 14, 2)
            colour = rng.uniform(0.08, 0.92, 3)
            patch = small[max(top, 0) : top + tall, max(left, 0) : left + wide]
            patch += (colour.mean() + (colour - colour.mean()) * saturation - patch) * rng.uniform(0.3, 0.8)
    scene = np.empty((3, *size), np.float32)
    for plane, channel in zip(scene, small.transpose(2, 0, 1), strict=True):
        image = Image.fromarray(np.ascontiguousarray(channel))
        plane[:] = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return scene


def paint_clothes(scene: Floats, rng: np.random.Generator, neck: tuple[float, float], unit_px: float) -> None:
    """Shoulders in some cloth below a neck. neck: px of the pit of the throat."""
    colour = rng.uniform(0.05, 0.9, 3)
    colour = colour.mean() + (colour - colour.mean()) * rng.uniform(0.2, 0.8)
    width, slope = rng.uniform(4.0, 5.0) * unit_px, rng.uniform(0.25, 0.5)
    height_px, width_px = scene.shape[1:]
    first = int(np.clip(neck[1] - 1.2 * unit_px, 0, height_px))
    left, right = (int(np.clip(neck[0] + sign * 1.15 * width, 0, width_px)) for sign in (-1, 1))
    if first >= height_px or left >= right:
        return
    side = np.abs(np.arange(left, right, dtype=np.float32) - np.float32(neck[0]))
    top = np.arange(first, height_px, dtype=np.float32)[:, None]
    shoulder = neck[1] - 0.9 * unit_px + slope * side + 3 * unit_px * (side / width) ** 6
    steepness = np.hypot(1, np.diff(shoulder, append=shoulder[-1])).astype(np.float32)  # for an edge of one px
    inside = np.clip((top - shoulder.astype(np.float32)) / steepness, 0, 1)
    fold = 0.9 + 0.1 * np.sin(2.2 * side / unit_px + rng.uniform(0, 6)) - 0.25 * (side / width) ** 2
    part = scene[:, first:, left:right]
    part += ((colour[:, None] * fold).astype(np.float32)[:, None, :] - part) * inside


def develop(scene: Floats, rng: np.random.Generator, camera: Camera, light: Light, blur_px: float) -> Pixels:
    """The scene as the camera keeps it: its light's colour, contrast, blur and noise. -> uint8 (H, W, 3)."""
    gain = 255 * camera.contrast * np.array(light.colour)
    levels = scene * (camera.saturation * gain).astype(np.float32)[:, None, None]
    for plane, weight in zip(scene, (1 - camera.saturation) * gain * _LUMA, strict=True):
        levels += plane * np.float32(weight)
    levels += rng.standard_normal(scene.shape[1:], dtype=np.float32) * np.float32(camera.noise)
    levels += np.float32(127.5 * (1 - camera.contrast))
    np.clip(levels, 0, 255, out=levels)
    pixels = np.empty((*scene.shape[1:], 3), np.uint8)
    for channel, plane in enumerate(levels):
        pixels[..., channel] = plane
    if blur_px < 0.3:
        return pixels
    return np.array(Image.fromarray(pixels).filter(ImageFilter.BoxBlur(blur_px)))
