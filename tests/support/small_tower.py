"""A tower too small to know anybody, for tests of everything around it: exported like a trained one, in a second."""

from __future__ import annotations

from pathlib import Path

from facesearch.vision.tower.tower import WEIGHTS_NAME, TowerCard, weights_sha256, write_card


def write_small_tower(folder: Path, name: str = "small", seed: int = 7, *, int8: bool = False) -> Path:
    """A folder with tower.keras and tower.json; its distances follow the colours of the crops. int8: it can run so."""
    import keras

    keras.utils.set_random_seed(seed)
    crops = keras.Input((112, 112, 3))
    values = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(crops)
    values = keras.layers.Conv2D(8, 8, strides=8, activation="relu")(values)
    values = keras.layers.GlobalAveragePooling2D()(values)
    network = keras.Model(crops, keras.layers.Dense(32)(values))
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / WEIGHTS_NAME)
    sha256 = weights_sha256(folder / WEIGHTS_NAME)
    card = TowerCard(
        name=name,
        created="2026-01-01T00:00:00Z",
        sha256=sha256,
        margin=2.0,
        threshold=0.05,
        threshold_far=0.01,
        int8_ranges={layer.name: [-1.0, 1.0] for layer in network.layers if "conv" in layer.name} if int8 else None,
    )
    write_card(folder, card)
    return folder
