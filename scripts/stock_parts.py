"""The parts that facesearch is made of, put together in the plain way: what bench_pipeline.py compares it with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from facesearch.library import Library
from facesearch.photos import photo_file, read_photo, walk
from facesearch.records import DetectedFace, EmbeddedFace, Models, NewPhoto, PhotoFile, Pixels
from facesearch.vision.alignment import align_faces
from facesearch.vision.tower.tower import SHIPPED_TOWER, WEIGHTS_NAME


def photos_in(folder: Path) -> list[PhotoFile]:
    return [file for file in walk([folder]) if isinstance(file, PhotoFile)]


def stock_detector() -> Callable[[Pixels], list[DetectedFace]]:
    """The mtcnn package."""
    from mtcnn import MTCNN

    detector = MTCNN()

    def detect(pixels: Pixels) -> list[DetectedFace]:
        rows = np.asarray(detector.detect_faces(pixels, output_type="numpy", box_format="xyxy"), np.float32)
        return [DetectedFace(row[1:5], row[6:].reshape(2, 5).T.copy(), float(row[5])) for row in rows.reshape(-1, 16)]

    return detect


def stock_tower() -> Any:
    import keras

    return keras.saving.load_model(SHIPPED_TOWER / WEIGHTS_NAME, compile=False)


def stock_index(work: Path) -> dict[str, Any]:
    """A photo after the other: read, detect, align, embed, commit; and a file of vectors at the end."""
    detect, model = stock_detector(), stock_tower()
    files = photos_in(work / "album")
    faces_found = 0
    warm = read_photo(files[0]).pixels
    model.predict(np.stack([face.crop for face in align_faces(warm, detect(warm))] or [warm[:112, :112]]), verbose=0)
    with Library.create(work / "stock", Models("mtcnn", "0" * 64, "stock", 1.0)) as library:
        started, busy = time.perf_counter(), time.process_time()
        for file in files:
            photo = read_photo(file)
            aligned = align_faces(photo.pixels, detect(photo.pixels))
            embeddings = model.predict(np.stack([face.crop for face in aligned]), verbose=0) if aligned else []
            faces = [EmbeddedFace(face.face, row) for face, row in zip(aligned, embeddings, strict=True)]
            with library.changing():
                new = NewPhoto(photo.sha256, photo.width_px, photo.height_px, faces)
                library.files.put(photo.file, library.catalog.add_photo(new))
            faces_found += len(faces)
        library.save_vectors()
    seconds, processor = time.perf_counter() - started, time.process_time() - busy
    return {"s": seconds / len(files), "cpu_s": processor / len(files), "faces": faces_found}


def stock_query(work: Path) -> dict[str, Any]:
    """All that one answer takes."""
    import faiss

    photo = read_photo(photo_file(work / "probe.jpg"))
    aligned = align_faces(photo.pixels, stock_detector()(photo.pixels))
    embeddings = stock_tower().predict(np.stack([face.crop for face in aligned]), verbose=0)
    index = faiss.read_index(str(work / "library" / "faces.faiss"))
    _, ids = index.search(embeddings, 5)
    with Library.open(work / "library") as library:
        return {"found": len(library.catalog.faces(ids.ravel().tolist()))}
