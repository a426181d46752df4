"""A library is taught its people: what can be learned is, what cannot is refused, and all of it can be taken back."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.command_line import CommandLine

from facesearch.errors import LibraryError
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.evaluation.distance import pair_distances
from facesearch.evaluation.places import Places
from facesearch.library import Library, verify
from facesearch.people import name_person, reject_faces
from facesearch.records import DetectedFace, EmbeddedFace, Floats, Models, NewPhoto, PhotoFile
from facesearch.tuning.teaching import missing_names, teach, unteach
from facesearch.tuning.teaching.deciding import bootstrapped_gain
from facesearch.tuning.teaching.held_out import HeldOutPairs, ask_held_out, scale_of
from facesearch.tuning.teaching.learning import (
    PULL,
    Pairs,
    contrastive_loss,
    draw_pairs,
    learn_head,
    least_loss,
    whitening,
)
from facesearch.tuning.teaching.lessons import NOBODY, Lessons, read_lessons

ROOT = Path(__file__).parents[2]
MODELS = Models("detector-1", "ab" * 32, "tower", 1.3)
MARGIN = 1.5
PEOPLE, PHOTOS = 16, 10


def _hidden(seed: int, people: int = PEOPLE, photos: int = PHOTOS) -> tuple[Floats, list[int]]:
    """People whose identity lies in half of the dimensions, under noise that is louder in the others: a head that turns
    the noise down tells them apart, also people that it has not seen."""
    rng = np.random.default_rng(seed)
    centres = np.concatenate([rng.normal(size=(people, 16)), np.zeros((people, 16))], axis=1) * 0.2
    noise = rng.normal(size=(people, photos, 32)) * np.repeat([0.08, 0.22], 16)
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(32, 32)))[0]
    faces = (centres[:, None] + noise).reshape(-1, 32) @ turn
    return faces.astype(np.float32), np.repeat(np.arange(people), photos).tolist()


def _fill(path: Path, embeddings: Floats, people: list[int], source: str = "user", models: Models = MODELS) -> Path:
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


@pytest.fixture
def noisy_library(tmp_path: Path) -> Path:
    """Sixteen people on ten photos each, who are told apart where the noise is turned down."""
    return _fill(tmp_path / "library", *_hidden(0))


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is done with a head: it helps here after few steps too."""
    monkeypatch.setattr("facesearch.tuning.teaching.learning._STEPS", 15)


def _answers(path: Path) -> list[list[tuple[int, float]]]:
    with Library.open(path) as library:
        _, rows = library.catalog.embeddings()
        probes = library.space.map(rows + np.float32(0.01))
        return [[(one.face_id, one.distance) for one in found] for found in library.vectors().search_batch(probes, 9)]


def test_what_hides_people_is_turned_down_for_those_who_taught_nothing_too(noisy_library: Path) -> None:
    with Library.open(noisy_library) as library:
        summary = teach(library, MARGIN)
    assert (summary.people, summary.faces, summary.apart) == (PEOPLE, PEOPLE * PHOTOS, 0)
    assert summary.kept
    assert summary.taught
    for part in (summary.known, summary.left_out):
        assert part.after.accuracy > part.before.accuracy + 0.02
        assert part.after.auc - part.before.auc == pytest.approx(part.gain.gain, abs=1e-3)
        assert part.gain.low > 0.01
    assert summary.known.before.rank_1 is not None
    assert summary.known.after.rank_1 is not None
    assert summary.known.after.rank_1 > summary.known.before.rank_1
    others, whose = _hidden(1)  # people whom nobody ever told the library of
    with Library.open(noisy_library) as library:
        assert library.status().taught_at is not None
        assert library.status().vectors == "current"
        before, after = _auc(others, whose), _auc(library.space.map(others), whose)
    assert after > before + 0.02
    assert verify(noisy_library, MODELS).sound


def _auc(embeddings: Floats, people: list[int]) -> float:
    """By comparing every genuine pair with every impostor pair."""
    distances = pair_distances(embeddings, embeddings)
    pair = np.triu(np.ones(distances.shape, bool), 1)
    same = np.equal.outer(people, people)
    genuine, impostor = distances[pair & same], np.sort(distances[pair & ~same])
    return float(1 - np.searchsorted(impostor, genuine, side="right").mean() / len(impostor))


@pytest.mark.parametrize("seed", range(4))
def test_names_that_say_nothing_are_not_learned(tmp_path: Path, seed: int) -> None:
    embeddings, people = _hidden(seed)
    shuffled = np.random.default_rng(seed).permutation(people).tolist()
    path = _fill(tmp_path / "library", embeddings, shuffled)
    before = _answers(path)
    with Library.open(path) as library:
        summary = teach(library, MARGIN, seed=seed)
        assert not summary.kept
        assert not summary.taught
        assert library.heads.last() is None
    assert _answers(path) == before


def test_nothing_is_kept_where_there_is_nothing_to_gain(tmp_path: Path) -> None:
    """People who are told apart already, as well as can be."""
    rng = np.random.default_rng(3)
    centres = np.repeat(rng.normal(size=(10, 32)), 8, axis=0)
    embeddings = (centres + rng.normal(size=(80, 32)) * 0.01).astype(np.float32)
    path = _fill(tmp_path / "library", embeddings, np.repeat(np.arange(10), 8).tolist())
    with Library.open(path) as library:
        summary = teach(library, MARGIN)
    assert (summary.known.before.auc, summary.kept) == (1.0, False)


@pytest.mark.usefixtures("few_steps")
def test_undo_restores_the_answers_to_the_bit(noisy_library: Path) -> None:
    before = _answers(noisy_library)
    with Library.open(noisy_library) as library:
        teach(library, MARGIN)
    first = _answers(noisy_library)
    with Library.open(noisy_library) as library:
        teach(library, MARGIN, seed=1)
    assert before != first != _answers(noisy_library)
    with Library.open(noisy_library, writable=True) as library:
        assert unteach(library).dropped == 1
    assert _answers(noisy_library) == first
    with Library.open(noisy_library) as library:
        teach(library, MARGIN, seed=2)
    with Library.open(noisy_library, writable=True) as library:
        undone = unteach(library, everything=True)
        assert (undone.dropped, undone.taught_at) == (2, None)
        assert unteach(library).dropped == 0
        assert library.status().vectors == "current"
    assert _answers(noisy_library) == before


@pytest.mark.usefixtures("few_steps")
def test_questions_are_answered_while_it_learns(noisy_library: Path) -> None:
    before = _answers(noisy_library)
    meanwhile = []
    with Library.open(noisy_library) as library:
        teach(
            library,
            MARGIN,
            on_run=lambda done, total: meanwhile.append((done, total, _answers(noisy_library) == before)),
        )
    assert meanwhile == [(done, 6, True) for done in range(1, 7)]
    assert _answers(noisy_library) != before


@pytest.mark.usefixtures("few_steps")
def test_changes_are_made_while_it_learns_and_nothing_is_kept_of_what_they_took_away(noisy_library: Path) -> None:
    def correct(done: int, total: int) -> None:
        if done == 3 and not seen:  # another process, half way: it does not wait for the teaching
            seen.append(total)
            with Library.open(noisy_library, writable=True) as writer:
                reject_faces(writer, 1, [1])

    seen: list[int] = []
    with Library.open(noisy_library) as library:
        summary = teach(library, MARGIN, on_run=correct)
        assert (summary.learned_anew, summary.taught, summary.faces) == (True, True, PEOPLE * PHOTOS - 1)
        corrected = library.space.digest
    with Library.open(noisy_library) as library:
        again = teach(library, MARGIN)
        assert (again.learned_anew, library.space.digest) == (False, corrected)


@pytest.mark.usefixtures("few_steps")
def test_another_spelling_of_a_name_changes_nothing_that_was_learned(noisy_library: Path) -> None:
    def spell(done: int, total: int) -> None:
        if done == total:
            with Library.open(noisy_library, writable=True) as writer:
                name_person(writer, 1, "Anna Karenina")

    with Library.open(noisy_library) as library:
        summary = teach(library, MARGIN, on_run=spell)
        assert (summary.learned_anew, summary.taught, library.space.is_taught) == (False, True, True)


@pytest.mark.usefixtures("few_steps")
def test_too_few_that_are_left_meanwhile_are_refused_and_nothing_is_kept(noisy_library: Path) -> None:
    def forget_most(done: int, total: int) -> None:
        if done == 1:
            with Library.open(noisy_library, writable=True) as writer, writer.changing():
                writer.people.delete(range(5, PEOPLE + 1))

    with Library.open(noisy_library) as library:
        with pytest.raises(LibraryError, match="there are 4"):
            teach(library, MARGIN, on_run=forget_most)
        assert not library.space.is_taught


@pytest.mark.usefixtures("few_steps")
def test_who_is_writing_is_said_before_it_learns(run_here: CommandLine) -> None:
    with Library.open(Path(os.environ["FACESEARCH_LIBRARY"]), writable=True):
        refused = run_here("teach")
        assert (refused.code, refused.out) == (4, "")
        assert "is being written by" in refused.err
        assert "would be kept" in run_here("teach", "--dry-run").out


@pytest.mark.usefixtures("few_steps")
def test_the_same_library_and_seed_give_the_same_head_and_a_dry_run_none(noisy_library: Path) -> None:
    with Library.open(noisy_library) as reader:
        measured = teach(reader, MARGIN, dry_run=True)
        assert (measured.kept, measured.taught, reader.space.is_taught) == (True, False, False)
    digests = []
    for seed in (0, 0, 1):
        with Library.open(noisy_library) as library:
            summary = teach(library, MARGIN, seed=seed)
            digests.append(library.space.digest)
            if seed == 0:
                assert (summary.known, summary.left_out) == (measured.known, measured.left_out)
    assert digests[0] == digests[1] != digests[2]


def test_the_threshold_keeps_its_meaning_and_probabilities_are_fitted_anew(noisy_library: Path) -> None:
    with Library.open(noisy_library) as library:
        summary = teach(library, MARGIN)
        calibration = library.space.calibration
        assert calibration is not None
        strangers, whose = _hidden(5, people=40)
        different = ~np.equal.outer(whose, whose)
        shares = [
            float((pair_distances(rows, rows)[different] <= MODELS.threshold).mean())
            for rows in (strangers, library.space.map(strangers))
        ]
    assert summary.known.after.far == pytest.approx(summary.known.before.far, abs=0.01)
    assert shares[0] / 2 < shares[1] < shares[0] * 2  # of pairs of which nobody was ever seen
    assert calibration.probability(0.1) > 0.9
    assert calibration.probability(2.0) < 0.1
    with Library.open(noisy_library) as library:
        assert isinstance(library.space.calibration, Calibration)


def test_too_few_names_are_refused_with_what_is_missing(tmp_path: Path) -> None:
    embeddings, people = _hidden(0, people=5, photos=5)
    few = [person if number != 24 else -1 for number, person in enumerate(people)]  # the fifth has four faces
    path = _fill(tmp_path / "few", embeddings, few)
    with Library.open(path) as library, pytest.raises(LibraryError, match=r"5 named people with 5 faces each.* are 4 "):
        teach(library, MARGIN, dry_run=True)
    with Library.open(path) as library:
        assert str(missing_names(library)).startswith("5 named people with 5 faces each are needed, and there are 4")
    with Library.open(_fill(tmp_path / "enough", embeddings, people)) as library:
        assert missing_names(library) is None
    path = _fill(tmp_path / "grouped", *_hidden(0), source="group")
    with Library.open(path) as library, pytest.raises(LibraryError, match=r"there are 0 .*grouping"):
        teach(library, MARGIN, dry_run=True)


def test_lessons_are_names_rejections_and_faces_in_one_photo(tmp_path: Path) -> None:
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    embeddings = _hidden(0)[0][:8]
    with Library.create(tmp_path / "library", MODELS) as library:
        with library.changing():
            for number, faces in enumerate(([0, 1], [2], [3, 4], [5], [6], [7])):
                photo = NewPhoto(f"{number:064}", 9, 9, [EmbeddedFace(face, embeddings[one]) for one in faces])
                file = PhotoFile(tmp_path / f"{9 - number}.jpg", 1, 1)
                library.files.put(file, library.catalog.add_photo(photo))
            for name, theirs, source in (
                ("Ann", [1, 3], "user"),
                ("Bea", [4, 5], "folder"),
                ("Ann", [8], "group"),
                ("Carl", [7], "list"),
            ):
                library.people.label(library.people.named(name), theirs, source)
            library.people.label(library.people.add(), [6], "user")
            ann = library.people.find("Ann")
            assert ann is not None
            with library.people.change("reject") as change:
                change.reject(ann, [6])
        lessons = read_lessons(library)
    assert list(lessons.names) == ["Ann", "Bea", "Carl"]
    # Of Ann the face on the photo whose path comes first; 2 and 6 have no name, 8 has it from the grouping alone.
    ids = [int(np.flatnonzero((embeddings == row).all(axis=1))[0]) + 1 for row in lessons.embeddings]
    assert ids == [3, 1, 4, 5, 7, 2, 6]
    assert lessons.people.tolist() == [0, 0, 1, 1, 2, NOBODY, NOBODY]
    apart = {tuple(sorted((ids[one], ids[other]))) for one, other in lessons.apart.tolist()}
    assert apart == {(1, 2), (1, 6), (3, 6)}  # 4 and 5 stand in one photo, and are Bea by her folder all the same


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(2)
    pairs = Pairs(rng.normal(size=(60, 32)) * 0.2, np.arange(60) < 25, 4)
    head = np.eye(32) + rng.normal(size=(32, 32)) * 0.1
    loss, gradient = contrastive_loss(head, pairs, 0.3)
    distances = [float(np.linalg.norm(head @ row)) for row in pairs.differences]
    by_hand = (
        sum(d**2 for d in distances[:25]) / 25
        + sum(max(1 - d, 0) ** 2 for d in distances[25:]) / 35
        + 0.3 * float(((head - np.eye(32)) ** 2).sum())
    )
    assert loss == pytest.approx(by_hand, rel=1e-12)
    assert any(d < 1 for d in distances[25:])
    for row, column in rng.integers(0, 32, (40, 2)).tolist():
        step = np.zeros((32, 32))
        step[row, column] = 1e-6
        slope = (contrastive_loss(head + step, pairs, 0.3)[0] - contrastive_loss(head - step, pairs, 0.3)[0]) / 2e-6
        assert gradient[row, column] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_learning_ends_where_the_loss_is_least() -> None:
    embeddings, people = _hidden(4)
    lessons = Lessons(embeddings, np.array(people), np.empty((0, 2), np.int64), [str(one) for one in range(PEOPLE)])
    pairs = draw_pairs(lessons, np.ones(len(people), bool), MARGIN, 0)
    pull = PULL / PEOPLE
    head = least_loss(pairs)
    least, gradient = contrastive_loss(head, pairs, pull)
    start, slope = contrastive_loss(np.eye(32), pairs, pull)
    assert least < start
    assert np.abs(gradient).max() < np.abs(slope).max() / 20
    far = np.abs(least_loss(pairs, pull=1e6) - np.eye(32)).max()
    assert far < 0.05 < np.abs(head - np.eye(32)).max()


def test_the_start_evens_out_what_varies_within_people() -> None:
    embeddings, people = _hidden(6, people=30, photos=30)
    everybody = np.ones(len(people), bool)
    lessons = Lessons(embeddings, np.array(people), np.empty((0, 2), np.int64), [str(one) for one in range(30)])
    for shrinkage in (0.0, 0.5, 1.0):
        head = whitening(lessons, everybody, shrinkage)
        assert (head**2).sum() == pytest.approx(32)
        faces = (embeddings @ head.T).reshape(30, 30, 32)
        spread = np.linalg.eigvalsh(np.cov((faces - faces.mean(axis=1, keepdims=True)).reshape(-1, 32).T))
        ratio = float(np.median(spread[16:]) / np.median(spread[:16]))
        assert ratio == pytest.approx({0.0: 1.0, 0.5: 3.37, 1.0: 7.56}[shrinkage], rel=0.1)  # 0.22² / 0.08² is 7.56
    np.testing.assert_allclose(whitening(lessons, everybody, 1.0), np.eye(32), atol=1e-9)
    ones = np.arange(len(people)) % 30 == 0  # one face of each
    np.testing.assert_array_equal(whitening(lessons, ones), np.eye(32))
    some = everybody.copy()
    some[450:] = False
    only = Lessons(embeddings[:450], np.array(people[:450]), lessons.apart, lessons.names[:15])
    np.testing.assert_array_equal(whitening(lessons, some), whitening(only, np.ones(450, bool)))
    held_back = learn_head(lessons, everybody, MARGIN, 0, pull=1e6)
    assert np.abs(held_back - whitening(lessons, everybody)).max() < 0.05


def test_pairs_are_of_the_faces_that_may_teach() -> None:
    rng = np.random.default_rng(0)
    people = np.array([0, 0, 0, 1, 1, 2, NOBODY, NOBODY])
    embeddings = rng.normal(size=(8, 32)).astype(np.float32)
    lessons = Lessons(embeddings, people, np.array([[0, 6], [6, 7]]), "abc")
    taught = np.array([True, True, False, True, True, True, True, False])
    pairs = draw_pairs(lessons, taught, MARGIN, 0)
    whose = {}
    for one in range(8):
        for other in range(8):
            if one != other:
                whose[tuple(np.round((embeddings[one].astype(float) - embeddings[other]) / MARGIN, 5))] = (one, other)
    drawn = [whose[tuple(np.round(row, 5))] for row in pairs.differences]
    genuine, impostor = drawn[: pairs.genuine.sum()], drawn[pairs.genuine.sum() :]
    assert {tuple(sorted(pair)) for pair in genuine} == {(0, 1), (3, 4)}
    strangers = {tuple(sorted(pair)) for pair in impostor}
    assert strangers == {(0, 3), (0, 4), (0, 5), (1, 3), (1, 4), (1, 5), (3, 5), (4, 5), (0, 6)}
    assert impostor.count((0, 6)) == 1
    with pytest.raises(ValueError, match="two people or more"):
        draw_pairs(lessons, people == 0, MARGIN, 0)


def test_what_is_asked_was_never_learned() -> None:
    """A learner that remembers which faces it was given: none of the pairs that it is asked about is one of them."""
    people = np.repeat(np.arange(12), 9)
    embeddings = np.zeros((len(people), 32), np.float32)
    embeddings[:, 0] = np.arange(len(people))
    lessons = Lessons(embeddings, people, np.empty((0, 2), np.int64), [str(one) for one in range(12)])
    given = []

    def learn(teaches: np.ndarray, seed: int) -> object:
        given.append(teaches.copy())
        marks = np.where(teaches, 1000.0, 0.0).astype(np.float32)

        def marked(rows: Floats) -> Places:
            moved = rows.copy()
            moved[:, 1] = marks
            return Places.plain(moved)

        return marked

    held_out = ask_held_out(lessons, learn, 5.0, seed=0)  # type: ignore[arg-type]
    # A pair of a learned face and one that was not lies some 1000 apart before scaling, a pair of two others does not.
    assert held_out.known.after.min() > 5 * held_out.left_out.after.max()
    for teaches in given:
        left_out = set(people[~teaches]) - set(people[teaches])
        assert 2 <= len(left_out) <= 4
        counts = np.bincount(people[teaches], minlength=12)
        assert set(counts[counts > 0]) <= {7, 8}
    assert (np.sum(given, axis=0) >= 2).all()  # every photo teaches in some runs, and is left out of others
    assert (np.sum(given, axis=0) <= 4).all()


def test_a_persons_photos_are_left_out_in_one_piece() -> None:
    people = np.repeat(np.arange(6), 20)
    lessons = Lessons(np.zeros((120, 32), np.float32), people, np.empty((0, 2), np.int64), "abcdef")
    given: list[np.ndarray] = []

    def learn(teaches: np.ndarray, seed: int) -> object:
        given.append(teaches.copy())
        return lambda rows: Places.plain(rows + np.arange(120, dtype=np.float32)[:, None])

    ask_held_out(lessons, learn, 1.0, seed=3)  # type: ignore[arg-type]
    for teaches in given:
        for person in range(6):
            missing = np.flatnonzero(~teaches[people == person])
            assert len(missing) in (4, 20)
            assert (np.diff(missing) == 1).all()


def test_distances_are_scaled_so_that_as_many_strangers_pass() -> None:
    before = np.random.default_rng(0).uniform(0.2, 2, 50_000).astype(np.float32)
    scale = scale_of(before, 3 * before, 0.5)
    assert scale == pytest.approx(1 / 3, rel=1e-3)
    after = before**2
    assert (after * scale_of(before, after, 0.5) <= 0.5).mean() == pytest.approx((before <= 0.5).mean(), abs=1e-3)
    assert scale_of(before[:30], 2 * before[:30], 0.0001) == pytest.approx(0.5, rel=1e-3)  # by 15 of 30, not by none


def test_the_interval_is_one_of_people_not_of_pairs() -> None:
    """The bootstrap held against a naive one; and ten people of whom one alone gains give no certain gain, however
    many pairs they have."""
    rng = np.random.default_rng(1)
    first, second = np.triu_indices(10, 0)
    first, second = np.repeat(first, 30).astype(np.int32), np.repeat(second, 30).astype(np.int32)
    before = rng.normal(1.0, 0.2, len(first)).astype(np.float32) - np.float32(0.15) * (first == second)
    after = before - np.float32(0.3) * ((first == 0) & (second == 0))
    one = bootstrapped_gain(HeldOutPairs(first, second, before, after), 0)
    assert one.gain > 0.02
    assert one.low < 0.001
    after = before - np.float32(0.1) * (first == second)
    everybody = HeldOutPairs(first, second, before, after)
    found = bootstrapped_gain(everybody, 0)
    assert found.low > 0.02
    gains = []
    for _ in range(400):
        weights = np.bincount(rng.integers(0, 10, 10), minlength=10)
        times = np.where(first == second, weights[first], weights[first] * weights[second])
        gains.append(_weighted_auc(everybody, after, times) - _weighted_auc(everybody, before, times))
    assert (found.low, found.high) == pytest.approx(np.quantile(gains, (0.025, 0.975)).tolist(), abs=0.012)
    assert found.gain == pytest.approx(
        _weighted_auc(everybody, after, np.ones(len(first))) - _weighted_auc(everybody, before, np.ones(len(first))),
        abs=1e-3,
    )


def _weighted_auc(pairs: HeldOutPairs, distances: Floats, weights: np.ndarray) -> float:
    genuine, impostor = pairs.genuine, ~pairs.genuine
    order = np.argsort(distances[impostor])
    further = np.cumsum(weights[impostor][order][::-1])[::-1]
    place = np.searchsorted(distances[impostor][order], distances[genuine])
    beyond = np.append(further, 0)[place]
    return float((beyond * weights[genuine]).sum() / (weights[genuine].sum() * weights[impostor].sum()))


@pytest.fixture
def run_here(
    noisy_library: Path, tower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> CommandLine:
    card = json.loads((tower / "tower.json").read_text())
    models = Models("detector-1", card["sha256"], "small", 1.3)
    library = _fill(tmp_path / "cli" / "library", *_hidden(0), models=models)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(library))
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    return CommandLine(capfd)


@pytest.mark.usefixtures("few_steps")
def test_the_command_teaches_and_takes_back(run_here: CommandLine) -> None:
    assert "would be kept; nothing was changed" in run_here("teach", "--dry-run").out
    assert "taught      nothing" in run_here("status").out
    out = run_here("teach").out
    assert "learned from 160 faces of 16 people" in out
    before, after = (
        float(re.search(rf"new photos of named people, {when} +([0-9.]+)%", out)[1])  # type: ignore[index]
        for when in ("before", "after")
    )
    assert after > before + 2
    assert "kept: the library now uses what it learned" in out
    assert "taught      on 20" in run_here("status").out
    assert "distances are the tower's own again" in run_here("teach", "--undo").out
    assert "nothing to undo" in run_here("teach", "--reset").out
    refused = run_here("teach", "--undo", "--dry-run")
    assert (refused.code, "give only one of" in refused.err) == (2, True)


@pytest.mark.usefixtures("few_steps")
def test_the_json_is_documented(run_here: CommandLine) -> None:
    summary = json.loads(run_here("teach", "--json").out)
    assert summary["taught"] is True
    page = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    section = page.split("## `facesearch teach --json`")[1].split("\n## ")[0]
    documented = set(re.findall(r"`([a-z_0-9.]+)`", "\n".join(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE))))
    keys = {
        *summary,
        *(f"known.{key}" for key in summary["known"]),
        *(f"known.before.{key}" for key in summary["known"]["before"]),
        *(f"known.gain.{key}" for key in summary["known"]["gain"]),
    }
    assert keys <= documented
    undone = json.loads(run_here("teach", "--undo", "--json").out)
    assert undone == {"dropped": 1, "taught_at": None}
    assert set(undone) <= documented


@pytest.mark.usefixtures("few_steps")
def test_a_library_with_a_cohort_is_taught_by_judged_distances_and_keeps_the_thresholds_meaning(
    tmp_path: Path,
) -> None:
    faces, people = _hidden(0)
    strangers, _ = _hidden(3, people=40, photos=5)
    centres = strangers.reshape(40, 5, 32).mean(axis=1)
    spread = Cohort(centres, 3, 1.0, 1.0)
    cohort = spread.times(float(spread.local_scale(faces).mean()))
    cohort = replace(cohort, threshold=1.3, power=0.9)
    path = _fill(tmp_path / "library", faces, people, models=replace(MODELS, cohort=json.dumps(cohort.to_card())))
    with Library.open(path) as library:
        before = library.places.all()[1]
        summary = teach(library, MARGIN)
    assert summary.taught
    assert summary.threshold == 1.3
    with Library.open(path) as library:
        assert library.status().distances == "judged"
        after = library.places.all()[1]
        moved = library.space.cohort
        rows = library._database.rows("SELECT local_scale FROM faces ORDER BY id")
    assert moved is not None
    assert moved.identity != cohort.identity
    assert [row[0] for row in rows] == moved.local_scale(after.points).tolist()
    whose = np.array(people)
    impostor = np.triu(whose[:, None] != whose[None, :])
    genuine = np.triu(whose[:, None] == whose[None, :], 1)
    shares = [
        [(each.distances_to(each)[kind] <= 1.3).mean() for kind in (impostor, genuine)] for each in (before, after)
    ]
    assert shares[1][0] < 2 * shares[0][0] + 0.01  # about as many strangers pass
    assert shares[1][1] > shares[0][1]  # and more photos of one person
    with Library.open(path, writable=True) as library:
        unteach(library)
        assert library.places.all()[1].scales.tolist() == before.scales.tolist()
