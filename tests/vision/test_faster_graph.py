"""CenterFace's graph, rewritten to be faster."""

from __future__ import annotations

import numpy as np

from facesearch.vision.detector.centerface import weights_file
from facesearch.vision.detector.faster_graph import simplify
from facesearch.vision.runtime import compile_network, read_graph


def test_the_rewritten_graph_gives_the_same_answers_with_less_arithmetic() -> None:
    original, faster = read_graph(weights_file()), read_graph(weights_file())
    simplify(faster)
    kinds = [[node.get_type_name() for node in graph.get_ordered_ops()] for graph in (original, faster)]
    enlarging = [each.count("ConvolutionBackpropData") for each in kinds]
    assert enlarging == [3, 0]
    assert kinds[0].count("Convolution") + 3 - 1 == kinds[1].count("Convolution")
    picture = np.random.default_rng(0).normal(100, 60, (1, 3, 64, 96)).clip(0, 255).astype(np.float32)
    answers = []
    for graph in (original, faster):
        graph.reshape([1, *picture.shape[1:]])
        answers.append([each.copy() for each in compile_network(graph)(picture)])
    for before, after in zip(*answers, strict=True):
        assert before.shape == after.shape
        np.testing.assert_allclose(after, before, atol=1e-4 * max(float(np.abs(before).max()), 1.0))
