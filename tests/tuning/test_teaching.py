"""A library is taught its people: what can be learned is, what cannot is refused, and all of it can be taken back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.noisy_people import MARGIN, MODELS, PEOPLE, PHOTOS, fill_library, noisy_people

from facesearch.errors import LibraryError
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.evaluation.distance import pair_distances
from facesearch.library import Library, verify
from facesearch.people import name_person, reject_faces
from facesearch.records import Floats
from facesearch.tuning.teaching import missing_names, teach, unteach


@pytest.fixture
def noisy_library(tmp_path: Path) -> Path:
    """Sixteen people on ten photos each, who are told apart where the noise is turned down."""
    return fill_library(tmp_path / "library", *noisy_people(0))


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
    others, whose = noisy_people(1)  # people that the library knows nothing of
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
    embeddings, people = noisy_people(seed)
    shuffled = np.random.default_rng(seed).permutation(people).tolist()
    path = fill_library(tmp_path / "library", embeddings, shuffled)
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
    path = fill_library(tmp_path / "library", embeddings, np.repeat(np.arange(10), 8).tolist())
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
        strangers, whose = noisy_people(5, people=40)
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
    embeddings, people = noisy_people(0, people=5, photos=5)
    few = [person if number != 24 else -1 for number, person in enumerate(people)]  # the fifth has four faces
    path = fill_library(tmp_path / "few", embeddings, few)
    with Library.open(path) as library, pytest.raises(LibraryError, match=r"5 named people with 5 faces each.* are 4 "):
        teach(library, MARGIN, dry_run=True)
    with Library.open(path) as library:
        assert str(missing_names(library)).startswith("5 named people with 5 faces each are needed, and there are 4")
    with Library.open(fill_library(tmp_path / "enough", embeddings, people)) as library:
        assert missing_names(library) is None
    path = fill_library(tmp_path / "grouped", *noisy_people(0), source="group")
    with Library.open(path) as library, pytest.raises(LibraryError, match=r"there are 0 .*grouping"):
        teach(library, MARGIN, dry_run=True)


@pytest.mark.usefixtures("few_steps")
def test_a_library_with_a_cohort_is_taught_by_judged_distances_and_keeps_the_thresholds_meaning(
    tmp_path: Path,
) -> None:
    faces, people = noisy_people(0)
    strangers, _ = noisy_people(3, people=40, photos=5)
    centres = strangers.reshape(40, 5, 32).mean(axis=1)
    spread = Cohort(centres, 3, 1.0, 1.0)
    cohort = spread.times(float(spread.local_scale(faces).mean()))
    cohort = replace(cohort, threshold=1.3, power=0.9)
    path = fill_library(
        tmp_path / "library", faces, people, models=replace(MODELS, cohort=json.dumps(cohort.to_card()))
    )
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
