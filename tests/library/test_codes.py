"""Codes of 16 and 8 bits: chosen by what fits the memory, or as a library is set; exact distances; GPUs that share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.clustered_vectors import nearest, people

from facesearch.errors import LibraryError, UsageError
from facesearch.library import Library, forget, verify
from facesearch.library import search_codes as search_codes_module
from facesearch.library.care.traces import search_files
from facesearch.library.index import codes as codes_module
from facesearch.library.index import gpu, partitions, searching, vector_file
from facesearch.library.index.codes import Codes, coarser, exactly_ranked, fitting, size_bytes
from facesearch.library.index.gpu import Copy, copies
from facesearch.library.index.partitions import partitioned
from facesearch.library.index.vectors import Stamp, Vectors
from facesearch.records import Chunk, DetectedFace, EmbeddedFace, Floats, Models, NewPhoto, PhotoFile

FACES = 6000
GB = 10**9
CODED: tuple[Codes, ...] = ("float16", "8bit")
MODELS = Models("detector-1", "ab" * 32, "tower", 0.5)


@pytest.fixture(scope="module")
def embeddings() -> Floats:
    return people(FACES)


def rows_of(embeddings: Floats) -> Callable[[Sequence[int]], Mapping[int, Floats]]:
    """As the rows of a library would answer: ids are rows."""
    return lambda ids: {face_id: embeddings[face_id] for face_id in ids if face_id < len(embeddings)}


def trained(embeddings: Floats, codes: Codes) -> Vectors:
    def chunks() -> Iterator[Chunk]:
        for start in range(0, len(embeddings), 1000):
            yield np.arange(start, start + 1000), embeddings[start : start + 1000]

    return Vectors(*partitioned(chunks, len(embeddings), lambda: True, codes), exact_of=rows_of(embeddings))


@pytest.mark.parametrize(
    ("faces", "memory_bytes", "expected"),
    [
        (10**6, 8 * GB, "float32"),
        (10**8, 32 * GB, "float32"),  # 13.6 GB of 16
        (10**8, 24 * GB, "float16"),  # 7.2 GB of 12
        (10**9, 256 * GB, "float16"),
        (10**9, 128 * GB, "8bit"),  # 40 GB of 64
        (10**9, 8 * GB, "8bit"),  # what takes least, though it does not fit
    ],
)
def test_the_most_precise_codes_that_fit_half_of_the_memory(faces: int, memory_bytes: int, expected: str) -> None:
    assert fitting(faces, memory_bytes) == expected


def test_what_faces_take() -> None:
    assert [size_bytes(10**9, codes) for codes in codes_module.CODES] == [136 * GB, 72 * GB, 40 * GB]
    assert coarser("8bit", "float16") == "8bit"
    assert codes_module.memory_bytes() > 10**8


@pytest.mark.parametrize(
    ("faces", "free_gb", "expected"),
    [
        (10**6, [80], [Copy("float32", 1), Copy("float16", 1), Copy("8bit", 1)]),
        (10**9, [80], [Copy("8bit", 1)]),
        (10**9, [80, 80], [Copy("float16", 2), Copy("8bit", 1), Copy("8bit", 2)]),
        (10**9, [80, 80, 80], [Copy("float32", 3), Copy("float16", 3), Copy("8bit", 1), Copy("8bit", 3)]),
        (10**9, [40, 16], []),
    ],
)
def test_copies_that_fit_gpus(faces: int, free_gb: list[int], expected: list[Copy]) -> None:
    assert copies(faces, "float32", [GB * each for each in free_gb], len(free_gb), coarser=True) == expected
    assert copies(faces, "8bit", [GB * each for each in free_gb], len(free_gb), coarser=True) == [
        way for way in expected if way.codes == "8bit"
    ]


def test_every_copy_is_tried_where_the_memory_of_gpus_is_unknown() -> None:
    assert copies(10**9, "float16", [], 2, coarser=True) == [
        Copy("float16", 1),
        Copy("float16", 2),
        Copy("8bit", 1),
        Copy("8bit", 2),
    ]
    assert copies(10**9, "float32", [], 1, coarser=False) == [Copy("float32", 1)]


@pytest.mark.parametrize("codes", CODED)
def test_codes_find_the_nearest_with_exact_distances(codes: Codes, embeddings: Floats) -> None:
    vectors = trained(embeddings, codes)
    assert vectors.training is not None
    assert vectors.training.codes == vectors.codes == codes
    assert vectors.training.recall >= 0.995
    assert f"partitions of {searching.NAMES[codes]} (recall@10 " in vectors.description
    probes = embeddings[:200] + np.float32(0.05)
    shares = []
    for probe, found in zip(probes, vectors.search_batch(probes, 10), strict=True):
        shares.append(len({face.face_id for face in found} & set(nearest(embeddings, probe, 10))) / 10)
        for face in found:
            assert face.distance == pytest.approx(np.linalg.norm(embeddings[face.face_id] - probe), rel=1e-5)
    assert np.mean(shares) >= 0.99
    assert len(vectors.search(probes[0], FACES)) == FACES


def test_recall_is_that_of_what_codes_propose(embeddings: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes_module, "_DEVIATIONS", 0.02)  # of nearly all numbers only the sign is left
    monkeypatch.setattr(codes_module, "CANDIDATES_A_NEIGHBOUR", 1)
    monkeypatch.setattr(codes_module, "_MORE_CANDIDATES", 0)
    vectors = trained(embeddings, "8bit")
    assert vectors.training is not None
    assert vectors.training.recall < 0.9
    assert vectors._index.nprobe == vectors._index.nlist


@pytest.mark.parametrize("codes", CODED)
def test_coded_faces_come_and_go_and_are_read_again(codes: Codes, embeddings: Floats, tmp_path: Path) -> None:
    rows = np.concatenate([embeddings, people(100, seed=5)])
    vectors = trained(embeddings, codes)
    vectors._search._exact_of = rows_of(rows)
    vectors.remove(np.arange(0, FACES, 2))
    vectors.add(np.arange(FACES, FACES + 100), rows[FACES:])
    assert [vectors.search(rows[FACES + row], 1)[0].face_id for row in range(50)] == list(range(FACES, FACES + 50))
    assert all(face.face_id % 2 or face.face_id >= FACES for face in vectors.search(embeddings[0], 100))
    stamp = Stamp("library", 1, len(vectors))
    vectors.save(tmp_path, stamp)
    found = vector_file.find_index(tmp_path, stamp)
    again = Vectors.of_file(found, stamp, rows_of(rows))
    assert again.description == vectors.description
    assert again.search_batch(embeddings[:50], 10) == vectors.search_batch(embeddings[:50], 10)
    small = (tmp_path / "faces.faiss").stat().st_size
    assert small < {"float16": 80, "8bit": 48}[codes] * len(vectors) + 50_000


def test_all_faces_as_codes_before_there_are_partitions(embeddings: Floats, tmp_path: Path) -> None:
    def chunks() -> Iterator[Chunk]:
        yield np.arange(FACES), embeddings

    vectors = Vectors.gathered(chunks, FACES, "8bit", rows_of(embeddings))
    assert vectors.description == "all faces as 8-bit codes, on the cpu"
    assert vectors.wants_training("8bit") is False
    probe = embeddings[9] + np.float32(0.03)
    assert [face.face_id for face in vectors.search(probe, 5)] == nearest(embeddings, probe, 5)
    vectors.save(tmp_path, Stamp("library", 1, FACES))
    again = Vectors.of_file(
        vector_file.find_index(tmp_path, Stamp("library", 1, FACES)), Stamp("library", 1, FACES), rows_of(embeddings)
    )
    assert again.search(probe, 5) == vectors.search(probe, 5)


def test_proposed_faces_in_any_order_are_ranked_by_their_numbers(embeddings: Floats) -> None:
    probes = embeddings[:3] + np.float32(0.02)
    proposed = np.array([[*nearest(embeddings, probe, 30)[::-1], FACES + 7, -1] for probe in probes])
    squared, ids = exactly_ranked(probes, proposed, rows_of(embeddings), 31)
    for row, probe in enumerate(probes):
        assert ids[row].tolist() == [*nearest(embeddings, probe, 30), -1]  # face FACES + 7 is not there any more
        np.testing.assert_allclose(squared[row, :30], ((embeddings[ids[row, :30]] - probe) ** 2).sum(axis=1), rtol=1e-5)
        assert np.isinf(squared[row, 30])


@pytest.fixture
def large_library(tmp_path: Path, embeddings: Floats, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of 600 faces, which is taken for a large one."""
    monkeypatch.setattr(partitions, "PARTITIONS_FROM_FACES", 100)
    face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    with Library.create(tmp_path / "library", MODELS) as library, library.changing():
        for number in range(60):
            own = [EmbeddedFace(face, row) for row in embeddings[10 * number : 10 * number + 10]]
            photo = library.catalog.add_photo(NewPhoto(str(number), 100, 100, own))
            library.files.put(PhotoFile(Path(f"/{number}.jpg"), 1, 1), photo)
    return tmp_path / "library"


def train(path: Path, codes: str | None = None) -> str:
    """As `index` does: set the codes, train what is due; returns how the library searches then."""
    with Library.open(path, writable=True) as library:
        if codes is not None:
            with library.changing():
                library.search_codes.want(codes)
        library.train_vectors()
        library.save_vectors(finish_training=True)
        return library.status().search


def test_a_library_takes_what_fits_or_what_it_is_set_to(large_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert " partitions (recall@10 " in train(large_library)
    assert " partitions of float16 codes (recall@10 " in train(large_library, "float16")
    assert " partitions of float16 codes (recall@10 " in train(large_library)
    assert " partitions of float16 codes (recall@10 " in train(
        large_library, "auto"
    )  # as precise as that needs no training
    monkeypatch.setattr(search_codes_module, "memory_bytes", lambda: 600 * 60)
    assert " partitions of 8-bit codes (recall@10 " in train(large_library)
    assert " partitions (recall@10 " in train(large_library, "float32")
    with Library.open(large_library) as library:
        assert library.status().search_codes == "float32"
    with pytest.raises(UsageError, match=r"there are no 4bit codes: choose float32, float16, 8bit or auto"):
        train(large_library, "4bit")


@pytest.mark.parametrize("codes", CODED)
def test_a_library_of_codes_answers_by_its_rows_and_is_sound(
    large_library: Path, codes: Codes, embeddings: Floats
) -> None:
    train(large_library, codes)
    with Library.open(large_library) as library:
        probe = embeddings[77] + np.float32(0.02)
        found = library.nearest().search(probe, 10)
        assert [face.face_id - 1 for face in found] == nearest(embeddings[:600], probe, 10)
    assert verify(large_library, MODELS).sound
    (large_library / "faces.faiss").unlink()
    (problem,) = [each.problem for each in verify(large_library, MODELS).findings]
    assert problem == "the file of vectors is unusable: it is not there"
    assert verify(large_library, MODELS, repair=True).sound
    assert verify(large_library, MODELS).sound
    with Library.open(large_library) as library:
        assert library.status().search == f"all faces as {searching.NAMES[codes]}, on the cpu"
        assert [face.face_id - 1 for face in library.nearest().search(probe, 3)] == nearest(embeddings[:600], probe, 3)


def test_a_wrong_code_is_found(large_library: Path) -> None:
    train(large_library, "8bit")
    with Library.open(large_library) as library:
        index, stamp, training = library.vectors()._index, library._vectors.stamp(), library.vectors().training
        import faiss

        whole = faiss.deserialize_index(faiss.serialize_index(index))
    number = next(each for each in range(whole.nlist) if whole.invlists.list_size(each))
    stored = faiss.rev_swig_ptr(whole.invlists.get_codes(number), 32)
    stored[3] ^= 1
    vector_file.write_index(large_library, stamp, whole, training)
    (problem,) = [each.problem for each in verify(large_library, MODELS).findings]
    assert problem == "the file of vectors is unusable: it holds other vectors than the rows"


def test_a_forgotten_photo_leaves_no_codes(large_library: Path, embeddings: Floats) -> None:
    searched = train(large_library, "8bit")
    with Library.open(large_library) as library:
        encode = library.vectors().encode
        assert encode is not None
        codes = encode(embeddings[:600])
    before = (large_library / "faces.faiss").read_bytes()
    assert all(row.tobytes() in before for row in codes)
    kept = search_files(
        [large_library / "faces.faiss"], embeddings[30:40], [embeddings[:30], embeddings[40:600]], (), encode
    )
    assert kept.pieces == {"faces.faiss": 20}
    assert search_files([large_library / "faces.faiss"], embeddings[30:40], [embeddings[:600]], (), encode).pieces == {}
    assert forget(large_library, "/3.jpg").faces == 10
    with Library.open(large_library) as library:
        encode = library.vectors().encode
        assert encode is not None
        assert library.status().search == searched  # in the same partitions
    after = (large_library / "faces.faiss").read_bytes()
    for code in (codes[30:40], encode(embeddings[30:40])):
        assert not any(row.tobytes() in after for row in code)
    assert all(row.tobytes() in after for row in encode(embeddings[40:600]))
    assert verify(large_library, MODELS).sound


class StandInGpus:
    """Two GPUs, whose copies are FAISS's own on the CPU; a copy of more than `room_bytes` on one fails as on a GPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room_bytes: int, *, known: bool = True) -> None:
        import faiss

        self.room_bytes = room_bytes
        self.copied: list[str] = []
        monkeypatch.setattr(faiss, "get_num_gpus", lambda: 2)
        monkeypatch.setattr(faiss, "StandardGpuResources", object)
        monkeypatch.setattr(faiss, "index_cpu_to_gpu", self.one)
        monkeypatch.setattr(faiss, "index_cpu_to_gpu_multiple_py", self.several)
        monkeypatch.setattr(gpu, "_GPU_SHARE", 1.0)
        monkeypatch.setattr(gpu, "free_bytes_of_gpus", lambda gpus: [room_bytes] * gpus if known else [])

    def one(self, resources: object, number: int, index: Any) -> Any:
        import faiss

        assert number == 0
        self._refuse(index, 1)
        return faiss.clone_index(index)

    def several(self, resources: Sequence[object], index: Any, options: Any, gpus: Sequence[int]) -> Any:
        import faiss

        assert options.shard
        assert list(gpus) == [0, 1] and len(resources) == 2
        self._refuse(index, 2)
        shards = faiss.IndexShards(32, True, False)
        for number in (0, 1):
            shard = faiss.clone_index(index)
            shard.reset()
            index.copy_subset_to(shard, faiss.InvertedLists.SUBSET_TYPE_ID_MOD, 2, number)
            shards.add_shard(shard)
            shard.this.disown()
        shards.own_indices = True
        return shards

    def _refuse(self, index: Any, gpus: int) -> None:
        codes = codes_module.codes_of(index)
        assert codes is not None
        if size_bytes(index.ntotal, codes) > self.room_bytes * gpus:
            raise RuntimeError("Error: 'err == cudaSuccess' failed: StandardGpuResources: alloc fail")
        self.copied.append(f"{codes} on {gpus}")


@pytest.mark.parametrize(
    ("room_gb", "copied", "place"),
    [
        (140, "float32 on 1", "the gpu (FAISS)"),
        (70, "float32 on 2", "the 2 gpus (FAISS)"),
        (40, "float16 on 2", "the 2 gpus (FAISS as float16 codes)"),
        (36, "float16 on 2", None),
        (30, "8bit on 2", None),
    ],
)
def test_gpus_share_the_faces_or_take_codes(
    room_gb: float, copied: str, place: str | None, embeddings: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rooms as for 10^9 faces. place: None where CUDA does not tell the rooms."""
    vectors, probes = trained(embeddings, "float32"), embeddings[:40] + np.float32(0.03)
    on_cpu = vectors.search_batch(probes, 10)
    stand_in = StandInGpus(monkeypatch, int(room_gb * FACES), known=place is not None)
    vectors.run_on("gpu")
    if place is not None:
        assert vectors.description.endswith(f"on {place}")
    on_gpu = vectors.search_batch(probes, 10)
    assert stand_in.copied == [copied]
    shared = [{a.face_id for a in one} & {b.face_id for b in other} for one, other in zip(on_cpu, on_gpu, strict=True)]
    assert np.mean([len(each) for each in shared]) >= 9.95
    for probe, found in zip(probes, on_gpu, strict=True):
        for face in found:
            assert face.distance == pytest.approx(np.linalg.norm(embeddings[face.face_id] - probe), rel=1e-4)
    assert len(vectors.search(probes[0], 3000)) == 3000  # more than a GPU gives


def test_faces_that_no_gpu_holds_are_searched_by_the_cpu_or_refused(
    embeddings: Floats, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = trained(embeddings, "8bit")
    monkeypatch.setattr(gpu, "GPU_FROM_FACES", 10)
    monkeypatch.setattr(gpu, "COPY_S", -1.0)
    stand_in = StandInGpus(monkeypatch, 10 * FACES)
    vectors.run_on("auto")
    assert vectors.search(embeddings[4], 1)[0].face_id == 4
    assert "the CPU goes on searching: no GPU has room for the embeddings of 6,000 faces" in caplog.text
    assert vectors.description.endswith("on the cpu")
    vectors = trained(embeddings, "8bit")
    vectors.run_on("gpu")
    with pytest.raises(
        LibraryError, match=r"no GPU has room for the embeddings of 6,000 faces; run with `--device cpu`"
    ):
        vectors.search(embeddings[4], 1)
    assert not stand_in.copied
