"""Videos to frames: rotated, of a variable rate, broken, encrypted, without a picture; and when they were taken."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack
from pathlib import Path

import av
import numpy as np
import pytest
from support.films import Appearance, portrait, write_film, write_tiles

from facesearch.errors import PhotoError
from facesearch.photos import DecodingWorker, photo_file, read_photo
from facesearch.photos.dates import when_taken
from facesearch.photos.decoding import frame_choice, video
from facesearch.photos.decoding.formats import is_video, video_container
from facesearch.photos.decoding.video import hashed, opened

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
ONE = [Appearance(0, 0, 60)]
# Of a film of one frame libx265 reads the decoding time from memory that nothing was written to, unless it has no
# frames to reorder.
X265 = "log-level=none:bframes=0"


def _frames(path: Path) -> list[tuple[float, bool]]:
    """The time of each frame that is looked at, and whether it shows anything new."""
    with opened(path) as film:
        return [(frame.at_s, frame.pixels is not None) for frame in film.frames()]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mov", "mpeg4"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.webm", "libvpx-vp9")],
)
def test_one_frame_a_second_of_each_container(name: str, codec: str, tmp_path: Path) -> None:
    path = write_film(tmp_path / name, ONE, 3, size=(320, 180), codec=codec)
    assert is_video(path)
    with opened(path) as film:
        frames = list(film.frames())
        assert film.facts.size_px == (320, 180)
        assert film.facts.duration_s == pytest.approx(3, abs=0.15)
        assert film.facts.damage is None
    seconds = [frame.at_s for frame in frames if frame.pixels is not None]
    assert [round(each) for each in seconds] == [0, 1, 2]
    assert frames[0].pixels is not None and frames[0].pixels.shape == (180, 320, 3)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_video_stands_upright_as_players_show_it(quarters: int, tmp_path: Path) -> None:
    upright = write_film(tmp_path / "upright.mp4", ONE, 1, size=(180, 320) if quarters % 2 else (320, 180))
    turned = write_film(tmp_path / "turned.mp4", ONE, 1, size=(320, 180), quarters=quarters)
    with opened(upright) as first, opened(turned) as second:
        one, two = first.frame_at(0), second.frame_at(0)
        assert second.facts.size_px == first.facts.size_px
    assert one.shape == two.shape
    assert np.abs(one.astype(int) - two).mean() < 4


def test_a_variable_rate_is_followed_by_the_clock(tmp_path: Path) -> None:
    times = [0, 0.2, 0.4, 2.5, 2.6, 7.0, 7.1, 7.2, 7.3, 9.0]
    path = write_film(tmp_path / "a.mp4", [Appearance(0, 0, 60, speed=0.3)], 1, size=(320, 180), times_s=times)
    assert [at_s for at_s, _ in _frames(path)] == [0, 2.5, 7.0, 9.0]


def test_what_does_not_move_is_looked_at_once(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", [Appearance(0, 0, 60, speed=0)], 4, size=(320, 180))
    assert [is_new for _, is_new in _frames(path)] == [True, False, False, False]


def test_a_new_scene_is_looked_at_at_once(tmp_path: Path) -> None:
    dark, light = [(10, 10, 10)] * 2, [(240, 240, 240)] * 2
    path = write_tiles(tmp_path / "a.mkv", dark, light, dark, codec="ffv1", pixel_format="bgr0")
    with opened(path) as film:
        frames = list(film.frames())
    assert max(frame.scene for frame in frames) == 2


def test_a_long_video_is_looked_at_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_film(tmp_path / "a.mp4", [Appearance(0, 0, 60, speed=0.05)], 12, size=(160, 90), rate=5)
    monkeypatch.setattr(video, "MOST_LOOKS", 4)
    monkeypatch.setattr(frame_choice, "MOST_LOOKS", 4)
    assert [at_s for at_s, _ in _frames(path)] == [0, 3, 6, 9]


def test_a_video_of_too_many_pixels_is_decoded_at_key_frames_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.mp4", ONE, 8, size=(160, 90), options={"g": "30", "sc_threshold": "0"})
    monkeypatch.setattr(video, "_MOST_DECODED_PX", 160 * 90)
    with opened(path) as film:
        assert [frame.at_s for frame in film.frames()] == [0, 3, 6]
        assert film.facts.damage is None


def test_the_frame_at_a_time(tmp_path: Path) -> None:
    path = write_tiles(tmp_path / "a.mov", [RED], [GREEN], [BLUE])
    for at_s, colour in ((0, RED), (1.0, GREEN), (1.5, GREEN), (2.0, BLUE), (99, BLUE)):
        photo = read_photo(photo_file(path), at_s=at_s)
        assert photo.pixels[20, 20].tolist() == list(colour)
        assert photo.sha256 == ""
    with DecodingWorker() as worker:
        assert worker.read_photo(photo_file(path), at_s=1.0).pixels[20, 20].tolist() == list(GREEN)


def test_a_reduced_frame_knows_its_size(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", ONE, 1, size=(640, 360))
    photo = read_photo(photo_file(path), 320, at_s=0)
    assert (photo.pixels.shape, photo.original_size_px, photo.scale) == ((180, 320, 3), (640, 360), 0.5)


def test_wide_pixels_are_made_square(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", ONE, 1, size=(320, 180), sample_aspect_ratio=(3, 2))
    with opened(path) as film:
        assert film.frame_at(0).shape == (180, 480, 3)


def test_a_film_for_hdr_screens_is_as_light_as_it_looks(tmp_path: Path) -> None:
    """White paper, 203 cd/m2, is coded as 0.58 by SMPTE ST 2084; shown without regard to that it is grey."""
    options = {"color_trc": "smpte2084", "color_primaries": "bt2020", "colorspace": "bt2020nc"}
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=1, options=options | {"x265-params": X265})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), round(0.58 * 255), np.uint8), format="rgb24")
        frame = frame.reformat(format="yuv420p10le")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    with opened(path) as film:
        assert 180 < film.frame_at(0).mean() < 215


def test_4k_with_10_bits_is_halved(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    quick = {"preset": "ultrafast", "x265-params": X265, "color_trc": "smpte2084"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=1, options=quick)
        stream.width, stream.height, stream.pix_fmt = 3840, 2160, "yuv420p10le"
        picture = np.zeros((2160, 3840, 3), np.uint8)
        picture[:, 1920:] = round(0.58 * 255)  # white paper
        for packet in [*stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")), *stream.encode(None)]:
            container.mux(packet)
    with opened(path) as film:
        (frame,) = film.frames()
        assert film.facts.size_px == (3840, 2160)
    assert frame.pixels is not None
    assert frame.pixels.shape == (1080, 1920, 3)
    assert frame.pixels[:, :940].max() < 20
    assert frame.pixels[:, 980:].min() > 180


def test_a_video_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mkv", ONE, 12, size=(320, 180))
    os.truncate(path, path.stat().st_size // 2)
    with opened(path) as film:
        frames = list(film.frames())
        assert 2 <= len(frames) < 12
        assert film.facts.damage is not None
        assert film.facts.damage.startswith("it ends after") and film.facts.damage.endswith("of 12 seconds")


def test_a_video_with_damage_in_its_middle_goes_on_behind(tmp_path: Path) -> None:
    path = write_film(
        tmp_path / "a.avi",
        [Appearance(0, 0, 60, speed=0.05)],
        8,
        size=(320, 180),
        codec="mjpeg",
        pixel_format="yuvj420p",
    )
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    assert _frames(path)[-1][0] > 6


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_an_mp4_whose_index_is_cut_off_is_refused(kept: float, tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", ONE, 4, size=(320, 180))
    os.truncate(path, int(path.stat().st_size * kept))
    with pytest.raises(PhotoError, match=r"cut off.*: copy it again|: copy it again if it was cut off"):
        _frames(path)


def test_the_reason_is_the_same_each_time(tmp_path: Path) -> None:
    """The library keeps it: an index run that was interrupted must leave what an uninterrupted one does."""
    path = tmp_path / "a.avi"
    path.write_bytes(write_film(tmp_path / "whole.avi", ONE, 1, size=(160, 90), codec="mpeg4").read_bytes()[:300])
    reasons = []
    for number in range(2):
        with ExitStack() as others:
            for _ in range(number):
                others.enter_context(path.open("rb"))
            with pytest.raises(PhotoError) as error:
                _frames(path)
        reasons.append(error.value.reason)
    assert reasons[0] == reasons[1]
    assert "its index cannot be read (Invalid data found when processing input): copy it again" in reasons[0]


def test_a_video_that_is_encrypted_is_refused(tmp_path: Path) -> None:
    keys = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0" * 31 + "1", "encryption_kid": "0" * 31 + "2"}
    path = write_film(tmp_path / "a.mp4", ONE, 2, size=(320, 180), container_options=keys)
    with pytest.raises(PhotoError, match="is encrypted, as films that are bought or rented are"):
        _frames(path)


def test_a_video_file_with_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(PhotoError, match="is a video file that holds only sound: there is nothing to look at"):
        _frames(path)


def test_a_list_of_other_files_is_not_followed(tmp_path: Path) -> None:
    """FFmpeg would open files and addresses that such lists name."""
    secret = write_film(tmp_path / "secret.mp4", ONE, 1, size=(160, 90))
    lists = {"ffconcat.mp4": f"ffconcat version 1.0\nfile {secret}\n", "hls.mp4": f"#EXTM3U\n#EXTINF:1,\n{secret}\n"}
    for name, content in lists.items():
        path = tmp_path / name
        path.write_text(content)
        assert not is_video(path)
        with pytest.raises(PhotoError, match="is not a kind of video that facesearch reads"):
            _frames(path)


def test_photos_are_no_videos(tmp_path: Path) -> None:
    heads = {
        b"\0\0\0\x18ftypheic": None,
        b"\0\0\0\x18ftypavif": None,
        b"\0\0\0\x18ftypcrx ": None,  # Canon's RAW
        b"\0\0\0\x18ftypisom": "mov",
        b"\0\0\0\x18ftypqt  ": "mov",
        b"\0\0\0\x08wide\0\0": "mov",
        b"\x1a\x45\xdf\xa3....": "matroska",
        b"RIFF\0\0\0\0AVI LIST": "avi",
        b"RIFF\0\0\0\0WEBPVP8 ": None,
        b"\xff\xd8\xff\xe0\0\x10JFIF": None,
    }
    assert {head: video_container(head) for head in heads} == heads


def test_without_the_extra_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_film(tmp_path / "a.mp4", ONE, 1, size=(160, 90))
    monkeypatch.setattr(video.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PhotoError, match=r'is a video, and reading videos is an extra: pip install "av'):
        _frames(path)


def test_a_video_keeps_its_bytes_and_its_hash_is_that_of_the_file(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", ONE, 1, size=(160, 90))
    before = path.read_bytes()
    assert hashed(photo_file(path))[1] == hashlib.sha256(before).hexdigest()
    _frames(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("said", "at", "zone_min"),
    [
        ({"creation_time": "2019-07-04T13:30:12Z"}, "2019-07-04T13:30:12", 0),
        ({"creation_time": "1970-01-01T00:00:00Z"}, None, None),
    ],
)
def test_when_a_video_was_taken(said: dict[str, str], at: str | None, zone_min: int | None, tmp_path: Path) -> None:
    path = write_film(tmp_path / "VID_20180101_120000.mp4", ONE, 1, size=(160, 90), metadata=said)
    with opened(path) as film:
        taken = when_taken(photo_file(path), film.facts.taken)
    if at is None:
        assert (taken.source, taken.at) == ("name", "2018-01-01T12:00:00")
    else:
        assert (taken.source, taken.at, taken.zone_min) == ("video", at, zone_min)


def test_the_drawn_portraits_differ() -> None:
    assert np.abs(portrait(0, 60).astype(int) - portrait(1, 60)).mean() > 5
