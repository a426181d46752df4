"""Where a search runs: asked for, chosen, refused; and the same answers on a GPU, where there is one."""

from __future__ import annotations

import numpy as np
import pytest
from support.clustered_vectors import people

from facesearch.errors import LibraryError
from facesearch.library.index import gpu
from facesearch.library.index.partitions import partitioned
from facesearch.library.index.vectors import Vectors


def gpus() -> int:
    import faiss

    return int(faiss.get_num_gpus())


@pytest.fixture
def vectors() -> Vectors:
    return Vectors.build(np.arange(3000)[::-1].copy(), people(3000))


@pytest.mark.skipif(gpus() > 0, reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error_only_where_it_was_asked_for(
    vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LibraryError, match=r"no GPU that FAISS can use: .*--device cpu"):
        vectors.run_on("gpu")
    monkeypatch.setattr(gpu, "GPU_FROM_FACES", 10)
    for device in ("auto", "cpu"):
        vectors.run_on(device)
        assert vectors.description == "exact, on the cpu"
        assert len(vectors.search(people(1)[0], 5)) == 5


def test_auto_takes_a_gpu_only_when_the_cpu_has_searched_for_as_long_as_a_copy_takes(
    vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    import faiss

    copies = []

    class Copy:
        codes = "float32"

        def __init__(self, index: object, way: gpu.Copy) -> None:
            assert way == gpu.Copy("float32", 1)
            copies.append(index)

        def most_neighbours(self) -> int:
            return 0  # so that the CPU goes on answering

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(gpu, "GPU_FROM_FACES", 10)
    monkeypatch.setattr("facesearch.library.index.searching.GpuSearch", Copy)
    vectors.run_on("auto")
    monkeypatch.setattr(gpu, "COPY_S", 1e9)
    for _ in range(2):
        vectors.search(people(1)[0], 5)
    assert not copies
    assert vectors.description == "exact, on the cpu"
    monkeypatch.setattr(gpu, "COPY_S", 1e-9)
    for _ in range(2):
        vectors.search(people(1)[0], 5)
    assert len(copies) == 1
    assert vectors.description == "exact, on the gpu (FAISS)"
    monkeypatch.setattr(gpu, "COPY_S", 1e9)
    vectors.add(np.array([9999]), people(1))
    vectors.search(people(1)[0], 5)
    assert len(copies) == 1  # what was copied has changed, and a new copy must pay for itself
    asked = Vectors.build(np.arange(3000), people(3000))
    asked.run_on("gpu")
    asked.search(people(1)[0], 5)
    assert len(copies) == 2


def test_candidates_in_any_order_are_ranked_by_exact_distance() -> None:
    import faiss

    embeddings = people(500)
    flat = faiss.IndexFlatL2(32)
    flat.add(embeddings)
    ids = np.arange(1000, 1500)
    squared, found = flat.search(embeddings[:4] + np.float32(0.1), 40)
    shuffled = np.random.default_rng(0).permuted(found, axis=1)
    again, ranked = gpu.reranked(flat, ids, shuffled, embeddings[:4] + np.float32(0.1), 10)
    assert ranked.tolist() == (found[:, :10] + 1000).tolist()
    np.testing.assert_allclose(again, squared[:, :10], rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(gpus() == 0, reason="no GPU that FAISS sees")
@pytest.mark.parametrize("kind", ["exact", "partitioned"])
def test_a_gpu_gives_the_answers_of_the_cpu(vectors: Vectors, kind: str) -> None:
    embeddings = people(3000)
    if kind == "partitioned":
        vectors = Vectors(*partitioned(lambda: iter([(np.arange(3000)[::-1].copy(), embeddings)]), 3000, lambda: True))
    probes = embeddings[:50] + np.float32(0.03)
    on_cpu = vectors.search_batch(probes, 10)
    vectors.run_on("gpu")
    assert vectors.description.endswith("on the gpu (FAISS)")
    on_gpu = vectors.search_batch(probes, 10)
    assert [[face.face_id for face in each] for each in on_gpu] == [[face.face_id for face in each] for each in on_cpu]
    vectors.add(np.array([9999]), probes[:1])
    assert vectors.search(probes[0], 1)[0].face_id == 9999
    assert len(vectors.search(probes[0], 3000)) == 3000  # more than a GPU gives
