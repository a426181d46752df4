"""The losses. Labels follow the source: 0 = two photos of one person (genuine), 1 = two people (impostor).

Every loss returns one number a pair or an anchor; the mean over the batch is taken by Keras. Written with `keras.ops`
only.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

MARGIN = 2.0
# Inside the root: the gradient of sqrt is infinite at 0, where two identical inputs lie.
EPSILON = 1e-6
_NEVER = -1e9
# With thousands of people and few photos of each, a scale far above that of the pairs' softmax (1 / temperature) learns
# the prototypes of people with one photo by heart.
IDENTITY_SCALE = 16.0
IDENTITY_MARGIN = 0.1


def pair_distance(first: Any, second: Any, epsilon: float = EPSILON) -> Any:
    """Euclidean distance of each pair of rows: (B, D), (B, D) -> (B,). Gradients stay finite while epsilon > 0."""
    return ops.sqrt(epsilon + ops.sum(ops.square(first - second), axis=-1))


def squared_distances(anchors: Any, gallery: Any) -> Any:
    """Squared Euclidean distances of all anchors to all of the gallery: (B, D), (G, D) -> (B, G), never negative."""
    cross = ops.matmul(anchors, ops.transpose(gallery))
    norms = ops.sum(ops.square(anchors), axis=1)[:, None] + ops.sum(ops.square(gallery), axis=1)[None, :]
    return ops.maximum(norms - 2.0 * cross, 0.0)


def contrastive_loss(first: Any, second: Any, label: Any, margin: float = MARGIN, epsilon: float = EPSILON) -> Any:
    """Contrastive loss of each pair: (B, D), (B, D), (B,) -> (B,).

    label: 0 = one person, 1 = two people. A genuine pair costs D², an impostor pair max(margin - D, 0)².
    Source: Hadsell, Chopra and LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006.
    """
    label = ops.cast(label, first.dtype)
    distance = pair_distance(first, second, epsilon)
    return (1.0 - label) * ops.square(distance) + label * ops.square(ops.maximum(margin - distance, 0.0))


@keras.saving.register_keras_serializable("facesearch")
class ContrastiveLoss(keras.losses.Loss):
    """`contrastive_loss` for `Model.compile`: y_true is the label (B,), y_pred the stacked pair (B, 2, D)."""

    def __init__(self, margin: float = MARGIN, name: str = "contrastive", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.margin = margin

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return contrastive_loss(y_pred[:, 0], y_pred[:, 1], ops.reshape(y_true, (-1,)), self.margin)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}


def _masks(ids: Any, gallery_ids: Any, views: int = 1) -> tuple[Any, Any]:
    """Which (anchor, gallery) pairs are genuine and which impostor: two (B, G) masks of 0 and 1.

    The gallery begins with the B anchors themselves, in `views` views of their photos. Views of an anchor's own photo
    are not its pairs, unless the gallery holds nothing else of the person: then its other views are. A gallery id below
    0 is an empty place and belongs to neither.
    """
    same = ops.equal(ids[:, None], gallery_ids[None, :])
    filled = ops.greater_equal(gallery_ids, 0)[None, :]
    size = ops.shape(ids)[0]
    row, column = ops.arange(size)[:, None], ops.arange(ops.shape(gallery_ids)[0])[None, :]
    itself = ops.logical_and(ops.equal(row, ops.mod(column, size)), ops.less(column, views * size))
    genuine = ops.logical_and(ops.logical_and(same, filled), ops.logical_not(itself))
    impostor = ops.logical_and(ops.logical_not(same), filled)
    if views > 1:
        alone = ops.logical_not(ops.any(genuine, axis=1, keepdims=True))
        another = ops.logical_and(itself, ops.greater_equal(column, size))
        genuine = ops.logical_or(genuine, ops.logical_and(another, alone))
    return ops.cast(genuine, "float32"), ops.cast(impostor, "float32")


def all_pairs_contrastive_loss(
    anchors: Any,
    ids: Any,
    gallery: Any,
    gallery_ids: Any,
    *,
    margin: float = MARGIN,
    hardness: float = 0.0,
    views: int = 1,
) -> Any:
    """Contrastive loss of every anchor against a whole gallery: (B, D), (B,), (G, D), (G,) -> (B,).

    The gallery begins with the anchors, in `views` views of their photos (see `_masks`); what follows are embeddings
    remembered from earlier batches. Genuine pairs cost D², averaged over an anchor's genuine pairs. Impostor pairs cost
    max(margin - D, 0)², averaged over those inside the margin, so that the few hard ones are not drowned by the many
    that already lie far enough. They also weigh exp(hardness * (margin - D)), from all alike (0) to only the hardest
    (infinity). Both halves weigh the same, as in the published half-and-half pairs. Memory: Wang et al.,
    "Cross-Batch Memory for Embedding Learning", CVPR 2020.
    """
    genuine, impostor = _masks(ids, gallery_ids, views)
    squared = squared_distances(anchors, gallery)
    shortfall = ops.maximum(margin - ops.sqrt(EPSILON + squared), 0.0) * impostor
    weight = ops.cast(ops.greater(shortfall, 0.0), "float32")
    if hardness:
        weight = weight * ops.exp(hardness * ops.stop_gradient(shortfall))
    genuine_cost = ops.sum(squared * genuine, axis=1) / ops.maximum(ops.sum(genuine, axis=1), 1.0)
    impostor_cost = ops.sum(weight * ops.square(shortfall), axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)
    return 0.5 * (genuine_cost + impostor_cost)


def all_pairs_softmax_loss(
    anchors: Any, ids: Any, gallery: Any, gallery_ids: Any, temperature: float = 0.1, *, views: int = 1
) -> Any:
    """Supervised contrastive loss: (B, D), (B,), (G, D), (G,) -> (B,); 0 for an anchor without a genuine pair.

    The negative log-probability of an anchor's genuine pairs among its whole gallery, on the unit sphere. It learns
    from all impostors at once, which the margin loss does not, and so warms a tower up. Source: Khosla et al.,
    "Supervised Contrastive Learning", NeurIPS 2020.
    """
    genuine, impostor = _masks(ids, gallery_ids, views)
    cosine = ops.matmul(unit_rows(anchors), ops.transpose(unit_rows(gallery)))
    logits = cosine / temperature + (1.0 - genuine - impostor) * _NEVER
    log_probability = logits - ops.logsumexp(logits, axis=1, keepdims=True)
    return -ops.sum(log_probability * genuine, axis=1) / ops.maximum(ops.sum(genuine, axis=1), 1.0)


def identity_loss(
    embeddings: Any, ids: Any, prototypes: Any, scale: float = IDENTITY_SCALE, margin: float = IDENTITY_MARGIN
) -> Any:
    """Which of all people of the training data an embedding shows: (B, D), (B,), (P, D) -> (B,).

    The negative log-probability of the right person by the cosines to one learnt prototype a person, the right one's
    lowered by the margin. It is DeepID2's identification signal beside the contrastive one, as a cosine classifier.
    Sources: Sun et al., "Deep Learning Face Representation by Joint Identification-Verification", NIPS 2014; Wang et
    al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR 2018.
    """
    right = ops.one_hot(ops.cast(ids, "int32"), prototypes.shape[0], dtype="float32")
    logits = scale * (ops.matmul(unit_rows(embeddings), ops.transpose(unit_rows(prototypes))) - margin * right)
    return ops.logsumexp(logits, axis=1) - ops.sum(logits * right, axis=1)


def unit_rows(rows: Any) -> Any:
    """Rows scaled to length 1; epsilon inside the root keeps the gradient at 0 finite."""
    return rows / ops.sqrt(EPSILON + ops.sum(ops.square(rows), axis=1, keepdims=True))


def batch_distances(embeddings: Any, ids: Any) -> tuple[Any, Any]:
    """Mean distance of the genuine and of the impostor pairs within a batch: (B, D), (B,) -> two scalars."""
    genuine, impostor = _masks(ids, ids)
    distance = ops.sqrt(EPSILON + squared_distances(embeddings, embeddings))
    return (
        ops.sum(distance * genuine) / ops.maximum(ops.sum(genuine), 1.0),
        ops.sum(distance * impostor) / ops.maximum(ops.sum(impostor), 1.0),
    )
