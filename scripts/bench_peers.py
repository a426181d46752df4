"""facesearch beside `face_recognition` on labelled photos: who is found, how well people are told apart, at what cost.

    pip install ".[teacher]"
    python scripts/bench_peers.py --data lfw --fold 6 --fold 7
    python scripts/bench_peers.py --data lfw --fold 6 --fold 7 --people 150

The package's pipeline as its documentation says: dlib's HOG detector on the photo enlarged once (`face_locations`), the
five-point predictor and the ResNet (`face_encodings`), called through dlib itself, since the package adds nothing else.
facesearch's: its detector, its alignment, the shipped tower in the precision that a new library has here. Third, for
what the network alone is worth, dlib's ResNet on facesearch's crops (`dlib_teacher`). Of several faces in a photo each
takes the one that is large and central. Each pipeline runs in a process of its own, and all get a photo at the same
time and wait for the slowest, so that other work slows them alike; milliseconds are the processor's, without reading
the photo, and the first ten photos are not counted. Megabytes are each process's peak.

Figures: `facesearch evaluate` takes the same ones. A photo without a face counts as an error in every genuine pair.
With --fold only the photos of LFW's list are read, and its pairs are judged too. With --people so many people with two
photos or more are drawn by a fixed seed, with two photos each, and no list is judged.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from facesearch.evaluation import metrics
from facesearch.evaluation.all_pairs import NamedFaces, report_all_pairs
from facesearch.evaluation.report import Report
from facesearch.records import DetectedFace, Floats, Pixels
from facesearch_train.data.cutting import choose_face
from facesearch_train.data.datasets import Dataset, read_dataset
from facesearch_train.data.lfw import Fold, photos_of_pairs, read_folds
from facesearch_train.data.packs import PhotoReader, TrainingPhoto

NOT_COUNTED = 10
Found = Any  # what a detector gives for a face
Detect = Callable[[Pixels], Found | None]
Embed = Callable[[Pixels, Found], Floats]


def face_recognition() -> tuple[Detect, Embed]:
    """Its pipeline: detector, five landmarks, ResNet."""
    import dlib
    import face_recognition_models as models

    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(models.pose_predictor_five_point_model_location())
    network = dlib.face_recognition_model_v1(models.face_recognition_model_location())

    def detect(pixels: Pixels) -> Found | None:
        faces = [
            DetectedFace(np.array([box.left(), box.top(), box.right(), box.bottom()], np.float32), _NOWHERE, 1.0)
            for box in detector(pixels, 1)
        ]
        face = choose_face(faces, (pixels.shape[1], pixels.shape[0]))
        return None if face is None else dlib.rectangle(*(int(side) for side in face.box))

    def embed(pixels: Pixels, box: Found) -> Floats:
        return np.array(network.compute_face_descriptor(pixels, predictor(pixels, box), 1), np.float32)

    return detect, embed


_NOWHERE = np.zeros((5, 2), np.float32)


def facesearch() -> tuple[Detect, Embed]:
    """The shipped pipeline."""
    from facesearch.vision.tower.tower import Tower, usable_precision

    return _our_crops(Tower.load(device="cpu", precision=usable_precision(None)).embed)


def facesearch_with_their_network() -> tuple[Detect, Embed]:
    """dlib's ResNet on facesearch's crops."""
    from facesearch_train.model.dlib_teacher import DlibTeacher

    return _our_crops(DlibTeacher(batch_size=1).embed)


def _our_crops(embed_crops: Callable[[Pixels], Floats]) -> tuple[Detect, Embed]:
    from facesearch.vision.alignment import align
    from facesearch.vision.detector.detector import load_detector

    detector = load_detector()

    def detect(pixels: Pixels) -> Found | None:
        return choose_face(detector.detect(pixels), (pixels.shape[1], pixels.shape[0]))

    return detect, lambda pixels, face: embed_crops(align(pixels, face.landmarks)[None])[0]


@dataclass(frozen=True)
class Peer:
    """A pipeline, and the distance under which it takes two faces for one person."""

    name: str
    make: Callable[[], tuple[Detect, Embed]]
    threshold: float


PEERS = (
    Peer("face_recognition", face_recognition, 0.6),
    Peer("facesearch", facesearch, 1.0),
    Peer("dlib's ResNet on facesearch's crops", facesearch_with_their_network, 0.6),
)


@dataclass
class Answers:
    """What a pipeline said of each photo: an embedding or None, and the milliseconds of both steps."""

    embeddings: list[Floats | None] = field(default_factory=list)
    detect_ms: list[float] = field(default_factory=list)
    embed_ms: list[float] = field(default_factory=list)
    peak_mb: float = 0.0


def serve(peer: Peer, pipe: Connection) -> None:
    """A pipeline's process: photos in, answers out; None ends it, and is answered by the peak of its memory."""
    detect, embed = peer.make()
    with PhotoReader() as reader:
        while (photo := pipe.recv()) is not None:
            pixels = np.ascontiguousarray(reader.pixels(photo))
            start = time.process_time()
            face = detect(pixels)
            middle = time.process_time()
            embedding = None if face is None else embed(pixels, face)
            pipe.send((embedding, (middle - start) * 1e3, (time.process_time() - middle) * 1e3))
    scale = 1024 if sys.platform != "darwin" else 1
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6)


def ask_all(photos: Sequence[TrainingPhoto], peers: Sequence[Peer]) -> list[Answers]:
    """Every photo to every pipeline."""
    context = multiprocessing.get_context("spawn")
    pipes, answers = [], [Answers() for _ in peers]
    for peer in peers:
        mine, its = context.Pipe()
        context.Process(target=serve, args=(peer, its), daemon=True).start()
        pipes.append(mine)
    for number, photo in enumerate(photos, start=1):
        for pipe in pipes:
            pipe.send(photo)
        for pipe, answer in zip(pipes, answers, strict=True):
            embedding, detect_ms, embed_ms = pipe.recv()
            answer.embeddings.append(embedding)
            answer.detect_ms.append(detect_ms)
            if embedding is not None:
                answer.embed_ms.append(embed_ms)
        if number % 100 == 0:
            print(f"{number:,} of {len(photos):,} photos", file=sys.stderr)
    for pipe, answer in zip(pipes, answers, strict=True):
        pipe.send(None)
        answer.peak_mb = pipe.recv()
    return answers


def judge(name: str, photos: Sequence[TrainingPhoto], answers: Answers, threshold: float) -> Report:
    """All pairs of the photos."""
    found = [
        (embedding, photo) for embedding, photo in zip(answers.embeddings, photos, strict=True) if embedding is not None
    ]
    absent = [photo.identity for photo, e in zip(photos, answers.embeddings, strict=True) if e is None]
    embeddings = np.stack([embedding for embedding, _ in found]).astype(np.float64)
    faces = NamedFaces("folders", name, embeddings, [photo.identity for _, photo in found], absent)
    return report_all_pairs(faces, threshold)[0]


def two_photos_each(dataset: Dataset, people: int) -> Dataset:
    """The first two photos of people drawn from those who have them."""
    photos_of: dict[str, list[TrainingPhoto]] = {}
    for photo in dataset.photos:
        photos_of.setdefault(photo.identity, []).append(photo)
    several = [photos for _, photos in sorted(photos_of.items()) if len(photos) > 1]
    drawn = np.random.default_rng(1).permutation(len(several))[:people]
    return replace(dataset, photos=tuple(photo for number in drawn for photo in several[number][:2]))


def list_cells(folds: Sequence[Fold], photos: Sequence[TrainingPhoto], answers: Answers, threshold: float) -> list[str]:
    """LFW's list: accuracy by folds and at the pipeline's own threshold, TAR at FAR 1 %. A missing face is an error."""
    known = {photo.path.name: embedding for photo, embedding in zip(photos, answers.embeddings, strict=True)}
    by_fold = []
    for fold in folds:
        labels = np.array([metrics.GENUINE if pair.genuine else metrics.IMPOSTOR for pair in fold])
        distances = np.where(labels == metrics.GENUINE, np.inf, -np.inf)
        for number, pair in enumerate(fold):
            first, second = known[pair.first.path.name], known[pair.second.path.name]
            if first is not None and second is not None:
                distances[number] = np.linalg.norm(first.astype(np.float64) - second)
        by_fold.append((distances, labels))
    distances, labels = (np.concatenate(column) for column in zip(*by_fold, strict=True))
    accept = metrics.tar_at_far(metrics.roc_curve(distances, labels), 0.01)
    accuracy = metrics.folded_accuracy(by_fold).mean if len(by_fold) > 1 else np.nan
    own = metrics.accuracy_at(distances, labels, threshold)
    return [f"{accuracy:.1%}; {own:.1%}", f"{accept.tar:.1%}" if accept else "-"]


def row(peer: Peer, answers: Answers, report: Report, listed: list[str]) -> str:
    missing = sum(embedding is None for embedding in answers.embeddings)
    accepts = ", ".join(f"{accept.tar:.1%}" for accept in report.true_accepts if accept.far < 0.05)
    detect, embed = (float(np.mean(times[NOT_COUNTED:])) for times in (answers.detect_ms, answers.embed_ms))
    search = report.identification
    assert search is not None  # read_dataset refuses people with one photo each
    cells = [
        peer.name,
        f"{missing:,}",
        *listed,
        f"{report.balanced.accuracy:.1%}; {report.balanced_at_threshold:.1%} at {peer.threshold:g}",
        accepts,
        f"{search.rank_1:.1%}, {search.rank_5:.1%}",
        f"{detect:.0f} + {embed:.0f}",
        f"{answers.peak_mb:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="labelled photos, in any form that train reads")
    parser.add_argument(
        "--fold", type=int, action="append", default=[], help="only this fold of LFW's list; several times"
    )
    parser.add_argument("--people", type=int, help="only two photos each of so many people")
    options = parser.parse_args()
    dataset = read_dataset(options.data)
    folds = read_folds(options.data / "pairs.txt", options.fold) if options.fold else ()
    if folds:
        dataset = photos_of_pairs(dataset, folds)
    if options.people:
        dataset, folds = two_photos_each(dataset, options.people), ()
    answers = ask_all(dataset.photos, PEERS)
    reports = [
        judge(dataset.name, dataset.photos, said, peer.threshold) for said, peer in zip(answers, PEERS, strict=True)
    ]
    searched = reports[0].identification
    print(
        f"{dataset.name}: {len(dataset.photos):,} photos of {len(dataset.photos_per_person()):,} people; dlib-bin "
        f"{version('dlib-bin')}, facesearch {version('facesearch')}, load {os.getloadavg()[0]:.1f}\n"
    )
    heads = ["pipeline", "photos without a face"]
    heads += ["the list: accuracy by folds; at its own threshold", "the list: TAR at FAR 1 %"] if folds else []
    heads += [
        "all pairs: balanced accuracy at the best threshold; at its own",
        "all pairs: TAR at FAR 1, 0.1, 0.01 %",
        f"one photo each of {searched.people if searched else 0:,} people: rank 1, rank 5",
        "ms a photo: find + embed",
        "MB",
    ]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for peer, said, report in zip(PEERS, answers, reports, strict=True):
        print(row(peer, said, report, list_cells(folds, dataset.photos, said, peer.threshold) if folds else []))


if __name__ == "__main__":
    main()
