"""Named faces into sidecars of other programs: what is added, what is left, and that nothing is lost."""

from __future__ import annotations

import random
from pathlib import Path
from xml.dom import minidom

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import exiftool, exiv2
from support import sidecar_samples as samples

from facesearch.exchange.areas import Area, Frame
from facesearch.exchange.packet_merge import Merged, NamedFace, merge
from facesearch.exchange.packets import Packet, PacketError
from facesearch.records import Floats

FRAME = Frame(400, 300)
LEFT = np.array([50, 60, 110, 140], np.float32)
RIGHT = np.array([250, 60, 310, 140], np.float32)

of_other_programs = pytest.mark.parametrize(
    "text",
    [
        samples.lightroom(samples.lightroom_region("Rex", 0.8, 0.8, 0.1, 0.1)),
        samples.digikam("Rex", 0.8, 0.8, 0.1, 0.1),
        samples.darktable(),
        samples.plain(),
    ],
)


def area(box: Floats) -> tuple[float, float, float, float]:
    found = FRAME.area_of(box)
    return found.x, found.y, found.w, found.h


def merged(text: str | bytes, *faces: tuple[str, Floats], **options: bool) -> Merged:
    content = text.encode() if isinstance(text, str) else text
    return merge(Packet(content), [NamedFace(*face) for face in faces], FRAME, **options)  # type: ignore[arg-type]


def names(content: bytes | None) -> list[str]:
    assert content is not None
    return [region.name for region in samples.mwg_regions(Packet(content))]


def result(merge_done: Merged) -> bytes:
    assert merge_done.content is not None
    return merge_done.content


# A new sidecar


@exiftool.needs_exiftool
def test_exiftool_reads_what_is_written(tmp_path: Path) -> None:
    done = merge(None, [NamedFace('Zoë <&> "O\'Neil"', LEFT)], Frame(300, 400, 6))
    (tmp_path / "a.xmp").write_bytes(result(done))
    read = exiftool.regions(tmp_path / "a.xmp")
    assert read["AppliedToDimensions"] == {"W": 400, "H": 300, "Unit": "pixel"}
    (region,) = read["RegionList"]
    assert (region["Name"], region["Type"], region["Area"]["Unit"]) == ('Zoë <&> "O\'Neil"', "Face", "normalized")
    # The box is centred at 80,100 of 300x400 upright; by orientation 6 that is 100/400 along and 1 - 80/300 down.
    numbers = [float(region["Area"][name]) for name in ("X", "Y", "W", "H")]
    assert numbers == pytest.approx([0.25, 1 - 80 / 300, 0.2, 0.2], abs=1e-6)


@exiftool.needs_exiftool
def test_what_exiftool_has_rewritten_is_still_known(tmp_path: Path) -> None:
    (tmp_path / "a.xmp").write_bytes(result(merge(None, [NamedFace("Ann", LEFT)], FRAME)))
    exiftool.write(tmp_path / "a.xmp", "-XMP:Rating=3")
    content = (tmp_path / "a.xmp").read_bytes()
    assert merged(content, ("Ann", LEFT)).content is None
    renamed = merged(content, ("Ann Smith", LEFT))
    assert (renamed.updated, renamed.conflicts, names(renamed.content)) == (1, [], ["Ann Smith"])


def test_the_names_are_keywords_where_that_is_asked_for() -> None:
    done = merge(None, [NamedFace("A/B|C", LEFT)], FRAME, keywords=True)
    text = result(done).decode()
    for keyword in ("<rdf:li>A/B|C</rdf:li>", "<rdf:li>People/A\\B|C</rdf:li>", "<rdf:li>People|A/B/C</rdf:li>"):
        assert text.count(keyword) == 1
    again = merge(Packet(text.encode()), [NamedFace("A/B|C", LEFT)], FRAME, keywords=True)
    assert (again.content, again.kept) == (None, 1)


def test_keywords_join_those_that_are_there() -> None:
    text = samples.lightroom(samples.lightroom_region("Ann", *area(LEFT)))
    done = result(merged(text, ("Ann", LEFT), keywords=True)).decode()
    assert "     <rdf:li>Holiday</rdf:li>\n     <rdf:li>Ann</rdf:li>\n" in done
    assert done.count("Holiday") == 1


# Regions of other programs


def test_a_region_of_the_same_name_is_left_as_it_is() -> None:
    loose = (0.2, 1 / 3, 0.29, 0.45)  # twice as large, as some programs draw
    for text in (samples.lightroom(samples.lightroom_region("Ann", *loose)), samples.digikam("Ann", *loose)):
        done = merged(text, ("Ann", LEFT))
        assert (done.content, done.kept, done.conflicts) == (None, 1, [])


def test_a_region_without_a_name_gets_one() -> None:
    text = samples.lightroom(samples.lightroom_region(None, *area(LEFT)), samples.lightroom_region("Rex", *area(RIGHT)))
    done = merged(text, ("Ann", LEFT))
    assert (done.added, done.updated, names(done.content)) == (0, 1, ["Ann", "Rex"])
    assert b'mwg-rs:Rotation="0.00000"' in result(done)
    assert merged(result(done), ("Ann", LEFT)).content is None


def test_another_name_is_a_conflict_and_is_kept() -> None:
    text = samples.lightroom(samples.lightroom_region("Bob", *area(LEFT)))
    done = merged(text, ("Ann", LEFT))
    assert done.content is None
    (conflict,) = done.conflicts
    assert (conflict.name, conflict.other, conflict.box) == ("Ann", "Bob", (50.0, 60.0, 110.0, 140.0))
    forced = merged(text, ("Ann", LEFT), force=True)
    assert (forced.updated, forced.conflicts, names(forced.content)) == (1, [], ["Ann"])


def test_microsofts_region_of_another_name_is_a_conflict_too() -> None:
    text = samples.digikam("Bob", *area(LEFT))
    start, end = text.index("   <mwg-rs:Regions"), text.index("  </rdf:Description>")
    text = text[:start] + text[end:]
    assert [conflict.other for conflict in merged(text, ("Ann", LEFT)).conflicts] == ["Bob"]
    assert names(merged(text, ("Ann", LEFT), force=True).content) == ["Ann"]
    assert names(merged(text, ("Bob", LEFT)).content) == ["Bob"]  # others read this form only


def test_a_name_that_is_forced_is_forced_in_both_forms() -> None:
    done = result(merged(samples.digikam("Bob", *area(LEFT)), ("Ann", LEFT), force=True))
    assert [region.name for region in samples.face_regions(Packet(done))] == ["Ann", "Ann"]


def test_a_region_of_facesearchs_follows_the_library() -> None:
    first = result(merged(samples.lightroom(), ("Ann", LEFT)))
    renamed = merged(first, ("Anna", LEFT + np.float32(3)))
    assert (renamed.added, renamed.updated, names(renamed.content)) == (0, 1, ["Anna"])
    (region,) = samples.mwg_regions(Packet(result(renamed)))
    assert region.area.x == pytest.approx(83 / 400, abs=1e-5)
    moved = merged(first, ("Ann", LEFT + np.float32(3)))
    assert (moved.updated, moved.kept) == (1, 0)


def test_a_region_that_somebody_else_drew_stays_where_it_is() -> None:
    text = samples.lightroom(samples.lightroom_region(None, *area(LEFT)))
    named = result(merged(text, ("Ann", LEFT)))
    for name in ("Ann", "Anna"):
        done = merged(named, (name, LEFT + np.float32(5)))
        (region,) = samples.mwg_regions(Packet(done.content or named))
        assert (region.name, region.area.x) == (name, pytest.approx(0.2))
    drawn = result(merged(samples.lightroom(), ("Ann", LEFT))).decode()
    redrawn = drawn.replace('stArea:x="0.200000"', 'stArea:x="0.21"')
    assert merged(redrawn, ("Ann", LEFT)).content is None


def test_what_the_library_no_longer_has_is_withdrawn_where_that_is_asked_for() -> None:
    text = samples.lightroom(
        samples.lightroom_region("Rex", 0.5, 0.9, 0.05, 0.05), samples.lightroom_region(None, *area(RIGHT))
    )
    written = result(merged(text, ("Ann", LEFT), ("Bob", RIGHT)))
    assert merged(written).content is None
    done = merged(written, ("Ann", LEFT), withdraw=True)
    assert (done.removed, names(done.content)) == (1, ["Rex", "", "Ann"])
    gone = merged(written, withdraw=True)
    assert (gone.removed, names(gone.content)) == (2, ["Rex", ""])
    moved = merged(written, ("Cara", LEFT + np.float32(200)), ("Bob", RIGHT), withdraw=True)
    assert (moved.added, moved.removed, names(moved.content)) == (1, 1, ["Rex", "Bob", "Cara"])


@pytest.mark.parametrize(
    "text",
    [samples.plain(), samples.lightroom(), samples.darktable(), samples.digikam("Rex", 0.9, 0.9, 0.1, 0.1)],
)
def test_withdrawing_all_takes_out_all_that_was_put_in(text: str) -> None:
    written = result(merged(text, ("Ann", LEFT), ("Bob", RIGHT)))
    left = result(merged(written, withdraw=True)).decode()
    assert "facesearch" not in left
    assert "Ann" not in left
    more = [line.strip() for line in left.splitlines() if line not in text.splitlines()]
    if "Rex" in text:  # the sizes that its own program had left out stay
        assert [line.split(" ")[0] for line in more] == ["<mwg-rs:AppliedToDimensions"]
    elif "mwg-rs" in text:  # an empty list of regions goes too
        assert "mwg-rs:Region" not in left
    else:
        assert left == text


@exiv2.needs_exiv2
@of_other_programs
def test_digikams_library_reads_it_and_leaves_it_facesearchs(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.xmp"
    path.write_text(text, encoding="utf-8")
    before = exiv2.properties(path)
    path.write_bytes(result(merged(text, ("Zoë", LEFT), ("Bob", RIGHT))))
    after = exiv2.properties(path)
    assert before.items() <= after.items()
    item = "Xmp.mwg-rs.Regions/mwg-rs:RegionList[{}]/mwg-rs:"
    first = 1 if "Rex" not in text else 2
    assert [after[item.format(place) + "Name"] for place in (first, first + 1)] == ["Zoë", "Bob"]
    assert float(after[item.format(first) + "Area/stArea:x"]) == pytest.approx(0.2)
    exiv2.write(path, "set Xmp.xmp.Rating 2")
    moved = merged(path.read_bytes(), ("Zoë", LEFT + np.float32(8)), ("Bobby", RIGHT))
    assert (moved.added, moved.updated, moved.conflicts) == (0, 2, [])
    assert sorted(names(moved.content)) == sorted(["Zoë", "Bobby", *(["Rex"] if "Rex" in text else [])])


@exiftool.needs_exiftool
def test_what_exiftool_has_rewritten_can_be_withdrawn(tmp_path: Path) -> None:
    (tmp_path / "a.xmp").write_bytes(result(merge(None, [NamedFace("Ann", LEFT)], FRAME)))
    exiftool.write(tmp_path / "a.xmp", "-XMP:Rating=3")
    done = merged((tmp_path / "a.xmp").read_bytes(), withdraw=True)
    (tmp_path / "a.xmp").write_bytes(result(done))
    assert {"XMP-xmp:Rating": 3}.items() <= exiftool.tags(tmp_path / "a.xmp").items()
    assert "XMP-mwg-rs:RegionInfo" not in exiftool.tags(tmp_path / "a.xmp")


def test_a_region_of_facesearchs_that_somebody_renamed_is_theirs() -> None:
    first = result(merged(samples.lightroom(), ("Ann", LEFT))).decode()
    theirs = first.replace("<mwg-rs:Name>Ann<", "<mwg-rs:Name>Bob<")
    done = merged(theirs, ("Ann", LEFT))
    assert (done.content, [conflict.other for conflict in done.conflicts]) == (None, ["Bob"])


def test_new_regions_stand_beside_others() -> None:
    text = samples.lightroom(samples.lightroom_region("Rex", *area(RIGHT), kind="Pet"))
    done = merged(text, ("Ann", LEFT), ("Bob", RIGHT))
    assert (done.added, names(done.content)) == (2, ["Ann", "Bob"])
    assert b'mwg-rs:Name="Rex"' in result(done)
    assert text.encode()[:1500] == result(done)[:1500]


def test_sizes_are_added_where_a_program_left_them_out() -> None:
    done = result(merged(samples.digikam("Ann", *area(LEFT)), ("Ann", LEFT), ("Bob", RIGHT)))
    assert done.count(b'stDim:w="400" stDim:h="300" stDim:unit="pixel"') == 1  # Immich needs them
    assert done.count(b"xmlns:stDim") == 1


def test_the_regions_in_the_photo_are_not_hidden_by_a_sidecar() -> None:
    embedded = [Packet(samples.digikam("Bob", *area(RIGHT)).encode())]
    same = merge(None, [NamedFace("Bob", RIGHT)], FRAME, embedded=embedded)
    assert (same.content, same.kept) == (None, 1)  # programs read it in the photo
    done = merge(None, [NamedFace("Ann", LEFT)], FRAME, embedded=embedded)
    assert sorted(names(done.content)) == ["Ann", "Bob"]
    assert [region.is_named for region in samples.mwg_regions(Packet(result(done)))] == [True, False]
    against = merge(None, [NamedFace("Ann", RIGHT)], FRAME, embedded=embedded)
    assert (against.content, [conflict.other for conflict in against.conflicts]) == (None, ["Bob"])
    forced = merge(None, [NamedFace("Ann", RIGHT)], FRAME, embedded=embedded, force=True)
    assert names(forced.content) == ["Ann"]


def test_two_faces_that_touch_keep_their_names() -> None:
    second = LEFT + np.array([40, 0, 40, 0], np.float32)
    text = samples.lightroom(
        samples.lightroom_region("Bob", *area(second)), samples.lightroom_region("Ann", *area(LEFT))
    )
    assert merged(text, ("Ann", LEFT), ("Bob", second)).content is None


@pytest.mark.parametrize(
    "inside",
    [
        "<m:Regions xmlns:m='http://www.metadataworkinggroup.com/schemas/regions/'>nonsense</m:Regions>",
        "<m:Regions xmlns:m='http://www.metadataworkinggroup.com/schemas/regions/'/>",
        "<m:Regions xmlns:m='http://www.metadataworkinggroup.com/schemas/regions/' rdf:parseType='Resource'>"
        "<m:RegionList>none</m:RegionList></m:Regions>",
    ],
)
def test_a_structure_that_is_not_understood_is_left_alone(inside: str) -> None:
    with pytest.raises(PacketError, match="in a form that facesearch does not"):
        merged(samples.plain(inside), ("Ann", LEFT))


@pytest.mark.parametrize("about", ["", "uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b"])
def test_new_properties_are_about_the_same_photo(about: str) -> None:
    text = result(merged(samples.plain(about=about), ("Ann", LEFT))).decode()
    assert text.count(f'about="{about}"') + text.count(f"about='{about}'") == 2


# Nothing is lost


def nodes(element: minidom.Node) -> list[str]:
    """Every element, attribute, text and comment below a node, with where it stands, as a parser of another make sees
    it; spaces between elements do not count."""
    found = []
    for child in element.childNodes:
        if child.nodeType == child.ELEMENT_NODE:
            found.append(f"<{child.namespaceURI} {child.localName}>")
            attributes = (child.attributes.item(place) for place in range(child.attributes.length))
            found += sorted(f"@{each.namespaceURI} {each.localName}={each.value}" for each in attributes)
            found += nodes(child)
        elif child.data.strip():
            found.append(f"{child.nodeType} {child.data.strip()}")
    return found


def is_within(before: list[str], after: list[str]) -> bool:
    """Whether one list is the other with more in between."""
    rest = iter(after)
    return all(any(node == other for other in rest) for node in before)


WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"), max_size=12)
BOXES = st.tuples(*(st.integers(100, 900) for _ in "xy"), *(st.integers(20, 300) for _ in "wh")).map(
    lambda numbers: tuple(number / 1000 for number in numbers)
)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("]]>", "]]&gt;")


@st.composite
def sidecars(draw: st.DrawFn) -> str:
    """Sidecars with properties, comments and regions of other programs, in one of the forms that these write."""
    name, box = escaped(draw(WORDS)), draw(BOXES)
    kind = draw(st.sampled_from(["lightroom", "digikam", "plain", "empty"]))
    comment = draw(WORDS).replace("-", "")
    odd = f"<odd:x xmlns:odd='http://example.org/odd/' odd:y=\"{escaped(draw(WORDS))}\">{escaped(draw(WORDS))}</odd:x>"
    if kind == "lightroom":
        types = st.sampled_from(["Face", "Pet", "Focus"])
        items = [
            samples.lightroom_region(escaped(draw(WORDS)) or None, *draw(BOXES), kind=draw(types)) for _ in range(3)
        ]
        text = samples.lightroom(*items)
    elif kind == "digikam":
        text = samples.digikam(name, *box)
    elif kind == "empty":
        text = "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/>"
    else:
        text = samples.plain()
    text = text.replace("</rdf:Description>\n </rdf:RDF>", f"{odd}<!--{comment}--></rdf:Description>\n </rdf:RDF>")
    return draw(st.sampled_from([text, text.replace("\n", "\r\n"), " ".join(text.split("\n"))]))


@settings(max_examples=300, deadline=None)
@given(sidecars(), st.lists(st.tuples(WORDS.filter(str.strip), BOXES), max_size=4), st.booleans(), st.booleans())
def test_everything_that_was_there_is_there_afterwards(
    text: str, faces: list[tuple[str, tuple[float, ...]]], keywords: bool, force: bool
) -> None:
    named = [NamedFace(name, FRAME.box_of(Area(*box))) for name, box in faces]
    packet = Packet(text.encode())
    done = merge(packet, named, FRAME, keywords=keywords, force=force)
    assert done.added + done.updated + done.kept + len(done.conflicts) == len(named)
    if done.content is None:
        return
    if not done.updated:  # a region that was given a name is not as it was
        before, after = (nodes(minidom.parseString(each)) for each in (text.encode(), done.content))
        assert is_within(before, after)
        lines = iter(done.content.split(b"\n"))
        kept = [line.rstrip() for line in text.encode().split(b"\n") if not line.rstrip().endswith(b"/>")]
        assert all(any(line in other for other in lines) for line in kept[:-1])
    if not done.conflicts:
        again = merge(Packet(done.content), named, FRAME, keywords=keywords, force=force)
        assert not again.added


@exiftool.needs_exiftool
@of_other_programs
def test_exiftool_reads_everything_else_as_before(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.xmp"
    path.write_text(text, encoding="utf-8")
    before = exiftool.tags(path)
    path.write_bytes(result(merged(text, ("Ann", LEFT), ("Bob", RIGHT))))
    after = exiftool.tags(path)
    regions_before = before.pop("XMP-mwg-rs:RegionInfo", {}).get("RegionList", [])
    regions_after = after.pop("XMP-mwg-rs:RegionInfo")["RegionList"]
    assert before == after
    assert regions_after[: len(regions_before)] == regions_before
    assert [region["Name"] for region in regions_after[len(regions_before) :]] == ["Ann", "Bob"]


@pytest.mark.parametrize("seed", range(20))
def test_damaged_sidecars_are_refused_or_merged_and_never_spoilt(seed: int) -> None:
    chance = random.Random(seed)
    whole = [
        samples.lightroom(samples.lightroom_region("Bob", *area(LEFT)), samples.lightroom_region(None, *area(RIGHT))),
        samples.digikam("Bob", *area(RIGHT)),
        result(merge(None, [NamedFace("Ann", LEFT)], FRAME, keywords=True)).decode(),
    ]
    outcomes = set()
    for _ in range(100):
        content = samples.mutated(chance.choice(whole).encode(), chance)
        try:
            done = merged(content, ("Ann", LEFT), ("Cara", RIGHT), keywords=True, force=chance.random() < 0.5)
        except PacketError as error:
            outcomes.add("refused")
            assert str(error)
            continue
        outcomes.add("merged" if done.content else "kept")
        if done.content:
            before, after = Packet(content), Packet(done.content)
            assert len(samples.face_regions(after)) >= len(samples.face_regions(before))
            assert [name for name in names(done.content) if name in ("Ann", "Cara")]
    assert {"refused", "merged"} <= outcomes
