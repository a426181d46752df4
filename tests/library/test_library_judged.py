"""A library whose tower has a cohort: local scales in the rows, and judged distances wherever faces are compared."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.old_libraries import write_old_library
from support.tiles import MODELS, ColourTower, TileDetector, draw, embedding_of

from facesearch.errors import TowerError
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.evaluation.distance import row_distances
from facesearch.indexing import IndexOptions, index_photos, reindex
from facesearch.library import Library, verify
from facesearch.library.rows import schema
from facesearch.library.space import head_bytes
from facesearch.people.grouping import group_people
from facesearch.query import QueryOptions, ask, compare_probes, probe_photo
from facesearch.query.candidates import near_faces
from facesearch.records import Floats, Models

# Strangers lie ten times as near to one another among the reds as among the blues.
REDS = [(200 + 3 * number, 2 * number, 0) for number in range(5)]
BLUES = [(0, 20 * number, 120 + 30 * number) for number in range(5)]
COHORT = Cohort(
    np.stack([embedding_of(colour) for colour in (*REDS, *BLUES)]),
    neighbours=3,
    unit=0.1,
    threshold=0.3,
    calibration=Calibration((0.1, 0.3, 1.0), (5.0, 0.0, -5.0)),
)
CARD = COHORT.to_card()
JUDGED = Models.of(TileDetector(), ColourTower(cohort=CARD))


@pytest.fixture
def judged_album(tmp_path: Path) -> Path:
    for number in range(6):
        draw(tmp_path / "album" / "Rosa" / f"{number}.png", (200 + 5 * number, 8, 0))
        draw(tmp_path / "album" / "Azul" / f"{number}.png", (0, 40, 150 + 15 * number))
    return tmp_path / "album"


def indexed(path: Path, album: Path, cohort: dict[str, Any] | None = CARD, *, names: bool = True) -> Path:
    tower = ColourTower(cohort=cohort)
    with Library.create(path, Models.of(TileDetector(), tower)) as library:
        index_photos(library, [album], TileDetector(), tower, IndexOptions(people_from_folders=names))
    return path


def stored(path: Path) -> tuple[list[float | None], Floats]:
    """What the rows say: local scales and embeddings, by face."""
    with closing(sqlite3.connect(path / "library.db")) as database:
        rows = database.execute("SELECT local_scale, embedding FROM faces ORDER BY id").fetchall()
    return [row[0] for row in rows], np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(-1, 32)


def answers(path: Path, photo: Path) -> list[tuple[int, float, float]]:
    probe = probe_photo(photo, TileDetector(), ColourTower(cohort=CARD))
    with Library.open(path, JUDGED) as library:
        found = ask(library, probe, QueryOptions(k=20, faces=True)).faces[0].photos
    return [(each.face_id, each.distance, each.plain_distance) for each in found]


def test_each_row_keeps_the_local_scale_of_its_face(tmp_path: Path, judged_album: Path) -> None:
    scales, embeddings = stored(indexed(tmp_path / "library", judged_album))
    assert len(scales) == 12
    assert scales == COHORT.local_scale(embeddings).tolist()


def test_without_a_cohort_distances_stay_plain_to_the_bit(tmp_path: Path, judged_album: Path) -> None:
    path = indexed(tmp_path / "library", judged_album, None)
    assert set(stored(path)[0]) == {None}
    probe = probe_photo(judged_album / "Rosa" / "2.png", TileDetector(), ColourTower())
    with Library.open(path, MODELS) as library:
        assert library.status().distances == "plain"
        near = near_faces(library, library.space.place(probe.faces[0].embedding), 12)
        neighbours = library.vectors().search(probe.faces[0].embedding, 12)
    assert [(each.face.face_id, each.distance) for each in near] == [(one.face_id, one.distance) for one in neighbours]
    assert all(each.distance == each.plain_distance for each in near)


def test_an_answer_ranks_and_matches_by_the_judged_distance(tmp_path: Path, judged_album: Path) -> None:
    path = indexed(tmp_path / "library", judged_album)
    photo = draw(tmp_path / "between.png", (100, 20, 90))
    found = answers(path, photo)
    place = embedding_of((100, 20, 90))[None]
    _, embeddings = stored(path)
    plain = row_distances(place, embeddings)
    judged = plain / ((COHORT.local_scale(place) + COHORT.local_scale(embeddings)) / 2)
    expected = np.lexsort((np.arange(12), judged)).tolist()
    assert [face_id for face_id, _, _ in found] == [row + 1 for row in expected]
    np.testing.assert_allclose([distance for _, distance, _ in found], judged[expected], rtol=1e-6)
    np.testing.assert_allclose([distance for _, _, distance in found], plain[expected], rtol=1e-6)
    assert [row + 1 for row in np.argsort(plain)] != [face_id for face_id, _, _ in found]  # it makes a difference here


def test_the_threshold_and_the_probabilities_are_those_of_judged_distances(tmp_path: Path, judged_album: Path) -> None:
    path = indexed(tmp_path / "library", judged_album)
    probe = probe_photo(judged_album / "Azul" / "0.png", TileDetector(), ColourTower(cohort=CARD))
    with Library.open(path, JUDGED) as library:
        answer = ask(library, probe, QueryOptions())
        status = library.status()
    assert (answer.threshold, answer.distances, answer.calibrated_by) == (0.3, "judged", "tower")
    assert (status.threshold, status.distances, status.cohort) == (0.3, "judged", COHORT.identity)
    for match in answer.faces[0].people:
        assert match.same_person == (match.distance <= 0.3)
        assert match.probability == round(COHORT.calibration.probability(match.distance), 4)  # type: ignore[union-attr]


def test_two_photos_are_compared_by_it_with_a_library_and_without(tmp_path: Path, judged_album: Path) -> None:
    path = indexed(tmp_path / "library", judged_album)
    first, second = (
        probe_photo(judged_album / "Rosa" / f"{number}.png", TileDetector(), ColourTower(cohort=CARD))
        for number in (0, 5)
    )
    alone = compare_probes(first, second)
    with Library.open(path, JUDGED) as library:
        assert compare_probes(first, second, library) == alone
    ends = np.stack([embedding_of((200, 8, 0)), embedding_of((225, 8, 0))])
    plain = float(row_distances(ends[0], ends[1]))
    assert alone.plain_distance == pytest.approx(plain, rel=1e-5)
    assert alone.distance == pytest.approx(plain / COHORT.local_scale(ends).mean(), rel=1e-5)
    assert (alone.threshold, alone.distances) == (0.3, "judged")


def test_a_library_from_before_takes_the_cohort_with_the_first_question_and_needs_no_photo(
    tmp_path: Path, judged_album: Path
) -> None:
    path = indexed(tmp_path / "library", judged_album, None)
    judged = indexed(tmp_path / "judged", judged_album)
    photo = draw(tmp_path / "probe.png", (210, 8, 3))
    shutil.rmtree(judged_album)
    assert answers(path, photo) == answers(judged, photo)
    assert stored(path)[0] == stored(judged)[0]
    with Library.open(path) as library:
        assert library.status().distances == "judged"
        assert library.threshold == 0.3


def test_a_writer_records_the_cohort_of_the_tower_that_it_uses_and_a_reader_does_not(
    tmp_path: Path, judged_album: Path
) -> None:
    path = indexed(tmp_path / "library", judged_album, None)
    tower = ColourTower(cohort=CARD)
    other = ColourTower(cohort=CARD)
    other.identity = "another"
    with Library.open(path) as reader:
        reader.use_tower(tower)
        assert reader.space.cohort is None
        with pytest.raises(TowerError, match="built with the tower"):
            reader.use_tower(other)
    with Library.open(path, writable=True) as writer:
        with pytest.raises(TowerError, match="built with the tower"):
            writer.use_tower(other)
        assert writer.space.cohort is None
        writer.use_tower(tower)
        assert writer.space.cohort is not None
    scales, embeddings = stored(path)
    assert scales == COHORT.local_scale(embeddings).tolist()


def test_a_library_of_a_former_version_is_migrated_and_judged(tmp_path: Path, judged_album: Path) -> None:
    path = tmp_path / "former"
    write_old_library(path, indexed(tmp_path / "library", judged_album, None), 10)
    with Library.open(path, JUDGED) as library:
        assert library.space.cohort is not None
    scales, embeddings = stored(path)
    assert scales == COHORT.local_scale(embeddings).tolist()
    assert schema.version(path / "library.db") == schema.current_version()


def test_a_reader_computes_what_the_rows_do_not_say(tmp_path: Path, judged_album: Path) -> None:
    path = indexed(tmp_path / "library", judged_album)
    photo = draw(tmp_path / "probe.png", (210, 8, 3))
    expected = answers(path, photo)
    for change in (
        "UPDATE faces SET local_scale = NULL WHERE id < 4",
        "UPDATE faces SET local_scale = 7.5",
    ):
        with closing(sqlite3.connect(path / "library.db")) as database:
            database.execute(change)
            if "7.5" in change:  # of another cohort
                database.execute("UPDATE settings SET value = 'other' WHERE key = 'scales'")
            database.commit()
        assert answers(path, photo) == expected


def test_a_damaged_embedding_has_no_scale_and_stops_no_writer(tmp_path: Path, judged_album: Path) -> None:
    path = indexed(tmp_path / "library", judged_album)
    before = stored(path)[0]
    with closing(sqlite3.connect(path / "library.db")) as database:
        damaged = np.full(32, np.nan, "<f4").tobytes()
        database.execute("UPDATE faces SET local_scale = NULL, embedding = ? WHERE id = 3", (damaged,))
        database.execute("UPDATE faces SET local_scale = NULL WHERE id = 4")
        database.commit()
    with Library.open(path, JUDGED, writable=True) as library, library.changing():
        pass
    assert stored(path)[0] == [*before[:2], None, *before[3:]]


def test_another_cohort_of_the_same_tower_takes_its_place(tmp_path: Path, judged_album: Path) -> None:
    path = indexed(tmp_path / "library", judged_album)
    other = Cohort(COHORT.centres[::2], 2, 0.2, 0.4, calibration=COHORT.calibration)
    with Library.open(path, Models.of(TileDetector(), ColourTower(cohort=other.to_card()))) as library:
        assert library.threshold == 0.4
    scales, embeddings = stored(path)
    assert scales == other.local_scale(embeddings).tolist()


def test_a_reindex_computes_the_scales_of_the_new_faces(tmp_path: Path, judged_album: Path) -> None:
    path = indexed(tmp_path / "library", judged_album, None)

    class OtherTower(ColourTower):
        identity = "d1" * 32

        def embed(self, crops: Any) -> Floats:
            return super().embed(crops) * np.float32(0.9)

    with Library.open(path, writable=True) as library:
        assert reindex(library, TileDetector(), OtherTower(cohort=CARD)).switched
        assert library.space.cohort is not None
    scales, embeddings = stored(path)
    np.testing.assert_allclose(embeddings[0], 0.9 * embedding_of((0, 40, 150)), rtol=1e-5)
    assert scales == COHORT.local_scale(embeddings).tolist()


def test_a_head_moves_the_cohort_with_the_faces_and_without_it_all_is_as_before(
    tmp_path: Path, judged_album: Path
) -> None:
    path = indexed(tmp_path / "library", judged_album)
    head = (np.eye(32) + np.random.default_rng(5).normal(size=(32, 32)) / 8).astype(np.float32)
    before = stored(path)[0]
    with Library.open(path, writable=True) as library:
        with library.changing():
            details = {"calibration": None, "cohort": COHORT.identity, "unit": 0.12}
            head_id = library.heads.add(MODELS.tower, head_bytes(head), details)
        _, places = library.places.all()
        centres = library.space.map(COHORT.centres)
        expected = Cohort(centres, 3, 0.12, 0.3).local_scale(places.points)
        assert places.scales.tolist() == expected.tolist() == stored(path)[0]
        with library.changing():
            library.heads.drop(head_id)
    assert stored(path)[0] == before


def test_what_was_taught_by_plain_distances_keeps_them_and_status_says_so(tmp_path: Path, judged_album: Path) -> None:
    path = indexed(tmp_path / "library", judged_album, None)
    head = (np.eye(32) * 1.5).astype(np.float32)
    with Library.open(path, writable=True) as library, library.changing():
        library.heads.add(MODELS.tower, head_bytes(head), {"calibration": None})
    with Library.open(path, JUDGED) as library:
        assert library.status().distances == "plain"
        assert library.threshold == MODELS.threshold
        assert library.places.all()[1].scales.tolist() == [1.0] * 12


def test_groups_are_as_wide_as_strangers_around_them_are_far(tmp_path: Path) -> None:
    for number in range(4):  # as far from one to the next among the reds as among the blues
        draw(tmp_path / "album" / f"red-{number}.png", (200 + 4 * number, 4, 0))
        draw(tmp_path / "album" / f"blue-{number}.png", (0, 40, 180 + 4 * number))
    narrow = Calibration((0.02, 0.06, 0.2), (9.0, 7.0, -5.0))
    card = Cohort(COHORT.centres, 3, 0.1, 0.3, calibration=narrow).to_card()
    path = indexed(tmp_path / "library", tmp_path / "album", card, names=False)
    with Library.open(path, writable=True) as library:
        summary = group_people(library)
        people = library.catalog.owners()[:, 2]
    assert summary.grouped == 4
    with closing(sqlite3.connect(path / "library.db")) as database:
        rows = database.execute("SELECT faces.id, path FROM faces JOIN files USING (photo_id) ORDER BY faces.id")
        blue = ["blue" in Path(row[1].decode()).name for row in rows]
    assert [person > 0 for person in people.tolist()] == blue


def test_verify_drops_a_damaged_cohort_and_the_next_question_records_it_again(
    tmp_path: Path, judged_album: Path
) -> None:
    path = indexed(tmp_path / "library", judged_album)
    assert verify(path, JUDGED).sound
    photo = draw(tmp_path / "probe.png", (210, 8, 3))
    expected = answers(path, photo)
    with closing(sqlite3.connect(path / "library.db")) as database:
        database.execute("UPDATE settings SET value = replace(value, '0.1', '0.2') WHERE key = 'cohort'")
        database.commit()
    assert any("cohort" in finding.problem for finding in verify(path, JUDGED).findings)
    assert verify(path, JUDGED, repair=True).sound
    assert answers(path, photo) == expected


def test_verify_finds_and_mends_a_scale_that_is_not_that_of_its_face(judged_album: Path, tmp_path: Path) -> None:
    path = indexed(tmp_path / "library", judged_album)
    assert verify(path, JUDGED).sound
    right = stored(path)[0]
    with closing(sqlite3.connect(path / "library.db")) as database, database:
        database.execute("UPDATE faces SET local_scale = 2 * local_scale WHERE id IN (2, 3)")
    found = verify(path, JUDGED)
    assert not found.sound
    assert "2 faces have a wrong local scale" in found.findings[0].problem
    assert verify(path, JUDGED, repair=True).findings[0].outcome == "computed them again"
    assert verify(path, JUDGED).sound
    assert stored(path)[0] == right
