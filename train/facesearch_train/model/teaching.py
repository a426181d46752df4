"""Losses from a teacher's places. Labels lie between 0 (one person) and 1 (two people); `keras.ops` only.

Every loss returns one number per anchor; Keras takes the mean over the batch. Places are those of
`taught.Taught`: (B, K), of which the first D are what a tower of D numbers can take over.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from facesearch_train.data.taught import THRESHOLD_PLACE
from facesearch_train.model.losses import EPSILON, MARGIN, squared_distances, unit_rows

# Pairs farther apart than most strangers need no more separation.
FARTHEST = 2.0
# What counts as near: look-alikes too, which dlib sees 0.75 apart, its threshold being 0.6.
NEAR = 1.25 * THRESHOLD_PLACE
NEAR_SOFTNESS = 0.1
NEVER = -1e9


def soft_labels(places: Any, threshold: float, softness: float) -> Any:
    """The teacher's confidence that two photos show two people: (B, K) -> (B, B), from 0 to 1.

    A logistic of the distance around the teacher's threshold; softness is the distance over which the odds change by
    the factor e.
    """
    distance = ops.sqrt(EPSILON + squared_distances(places, places))
    return ops.sigmoid((distance - threshold) / softness)


def mixed_labels(taught: Any, ids: Any, truth: float) -> Any:
    """Soft labels with the share `truth` of what is known: (B, B), (B,) -> (B, B). A person number below 0 is unknown:
    what the teacher says then stands alone."""
    known = ops.greater_equal(ids, 0)
    known = ops.cast(ops.logical_and(known[:, None], known[None, :]), "float32")
    two = ops.cast(ops.not_equal(ids[:, None], ids[None, :]), "float32")
    share = truth * known
    return (1.0 - share) * taught + share * two


def soft_contrastive_loss(embeddings: Any, labels: Any, margin: float = MARGIN) -> Any:
    """Contrastive loss with soft labels of every anchor against its batch: (B, D), (B, B) -> (B,).

    A pair costs (1 - y) D² + y max(margin - D, 0)². As in `all_pairs_contrastive_loss` either half is a mean: of the
    pairs by how much they are one person's, and of those inside the margin by how much they are two people's, so that
    the few near ones are not drowned by the many far ones. An anchor is not paired with itself.
    """
    others = 1.0 - ops.eye(ops.shape(embeddings)[0], dtype="float32")
    squared = squared_distances(embeddings, embeddings)
    shortfall = ops.maximum(margin - ops.sqrt(EPSILON + squared), 0.0)
    one, two = (1.0 - labels) * others, labels * others
    inside = two * ops.cast(ops.greater(shortfall, 0.0), "float32")
    genuine = ops.sum(one * squared, axis=1) / ops.maximum(ops.sum(one, axis=1), 1.0)
    impostor = ops.sum(inside * ops.square(shortfall), axis=1) / ops.maximum(ops.sum(inside, axis=1), 1.0)
    return 0.5 * (genuine + impostor)


def relational_loss(embeddings: Any, places: Any, near_weight: float) -> Any:
    """How much an anchor's distances in its batch differ from the teacher's: (B, D), (B, K) -> (B,).

    The mean of the squared differences over an anchor's pairs; beyond FARTHEST nothing differs any more. Pairs that the
    teacher sees near weigh up to `near_weight` times as much as far ones. Source: Park et al., "Relational Knowledge
    Distillation", CVPR 2019, the distance-wise loss.
    """
    others = 1.0 - ops.eye(ops.shape(embeddings)[0], dtype="float32")
    taught = ops.sqrt(EPSILON + squared_distances(places, places))
    weight = others * (1.0 + (near_weight - 1.0) * ops.sigmoid((NEAR - taught) / NEAR_SOFTNESS))
    taught = ops.minimum(taught, FARTHEST)
    learnt = ops.sqrt(EPSILON + squared_distances(embeddings, embeddings))
    beyond = ops.cast(ops.logical_and(ops.greater(learnt, FARTHEST), ops.greater_equal(taught, FARTHEST)), "float32")
    difference = ops.square(learnt - taught) * (1.0 - beyond)
    return ops.sum(weight * difference, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1e-6)


def regression_loss(embeddings: Any, places: Any, length_weight: float = 1.0) -> Any:
    """The distance of each embedding from its place, squared, in the first D numbers: (B, D), (B, K) -> (B,).

    That alone draws uncertain faces to the middle, where they look alike; the squared difference in length, times
    `length_weight`, keeps them out.
    """
    targets = places[:, : embeddings.shape[1]]
    lengths = [ops.sqrt(EPSILON + ops.sum(ops.square(rows), axis=1)) for rows in (embeddings, targets)]
    distance = ops.sum(ops.square(embeddings - targets), axis=1)
    return distance + length_weight * ops.square(lengths[0] - lengths[1])


def neighbour_loss(
    embeddings: Any, places: Any, temperature: float, width: float, memory: tuple[Any, Any, Any] | None = None
) -> Any:
    """Which photos are nearest to an anchor, against what the teacher says: (B, D), (B, K) -> (B,).

    The cross-entropy between two softmaxes over the others of the batch and the memory: the teacher's, of their places'
    squared distances to the anchor's, divided by `width`; and the tower's, of the cosines, divided by `temperature`.
    memory: (M, D) embeddings of earlier batches, their places (M, K), and (M,) 1 where nothing is remembered yet.
    """
    apart = itself = ops.eye(ops.shape(embeddings)[0], dtype="float32")
    gallery, gallery_places = embeddings, places
    if memory is not None:
        remembered, remembered_places, empty = (ops.stop_gradient(each) for each in memory)
        gallery = ops.concatenate([embeddings, remembered], axis=0)
        gallery_places = ops.concatenate([places, remembered_places], axis=0)
        apart = ops.concatenate([itself, ops.broadcast_to(empty, (ops.shape(itself)[0], ops.shape(empty)[0]))], axis=1)
    wanted = ops.softmax(-squared_distances(places, gallery_places) / width + apart * NEVER, axis=1)
    logits = ops.matmul(unit_rows(embeddings), ops.transpose(unit_rows(gallery))) / temperature + apart * NEVER
    chosen = wanted * (1.0 - apart)
    return ops.logsumexp(logits, axis=1) - ops.sum(chosen * logits, axis=1)
