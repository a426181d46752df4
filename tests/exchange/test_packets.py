"""XMP packets: what is read, what is refused, and that an edit leaves every other byte alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import sidecar_samples as samples

from facesearch.exchange.areas import Area
from facesearch.exchange.editing import Editor
from facesearch.exchange.packets import MAX_PACKET_BYTES, RDF, Packet, PacketError
from facesearch.exchange.regions import face_regions

MARIE = samples.lightroom(samples.lightroom_region("Marie", 0.5, 0.4, 0.2, 0.3))


def test_elements_know_where_they_stand() -> None:
    packet = Packet(MARIE.encode())
    (subject,) = packet.properties("http://purl.org/dc/elements/1.1/", "subject")
    text = packet.utf8[subject.start : subject.end].decode()
    assert text.startswith("<dc:subject>")
    assert text.endswith("</dc:subject>")
    assert packet.utf8[subject.inner : subject.outer].decode().strip().startswith("<rdf:Bag>")
    (description,) = packet.descriptions
    assert description.attributes["http://ns.adobe.com/camera-raw-settings/1.0/", "Look"].endswith("odd\nvalue >")


@pytest.mark.parametrize(
    "text",
    [
        MARIE,
        samples.digikam("Marie", 0.5, 0.4, 0.2, 0.3),
        MARIE.replace("rdf:", "r:").replace("xmlns:rdf", "xmlns:r").replace("mwg-rs", "ns1").replace("stArea", "ns2"),
        MARIE.replace("/>\n       </rdf:Description>", ' stArea:unit="normalized"/>\n       </rdf:Description>'),
        MARIE.replace('x="0.5"', 'x="200"')
        .replace('y="0.4"', 'y="120"')
        .replace('w="0.2"', 'w="80"')
        .replace('stArea:h="0.3"', 'stArea:h="90" stArea:unit="pixel"'),
    ],
    ids=["lightroom", "digikam", "other prefixes", "unit", "pixels"],
)
def test_regions_are_read_in_every_form(text: str) -> None:
    (region, *twice) = samples.face_regions(Packet(text.encode()))
    assert region.name == "Marie"
    assert (region.area.x, region.area.y, region.area.w, region.area.h) == pytest.approx((0.5, 0.4, 0.2, 0.3))
    assert [other.name for other in twice] == (["Marie"] if "MPReg" in text else [])


def test_microsofts_regions_are_those_of_the_same_faces() -> None:
    first, second = samples.face_regions(Packet(samples.digikam("Zoë", 0.5, 0.4, 0.2, 0.3).encode()))
    assert (first.name, second.name) == ("Zoë", "Zoë")
    assert second.area.corners == pytest.approx(first.area.corners)
    assert second.area.corners == pytest.approx((0.4, 0.25, 0.6, 0.55))
    assert second.holder is None


@pytest.mark.parametrize("kind", ["Pet", "Focus", "BarCode"])
def test_regions_of_other_things_are_no_faces(kind: str) -> None:
    text = samples.lightroom(samples.lightroom_region("Rex", 0.5, 0.4, 0.2, 0.3, kind=kind))
    assert samples.face_regions(Packet(text.encode())) == []


@pytest.mark.parametrize("number", ["", "nan", "inf", "-inf", "1e400", "-3", "7", "half", "0,5,0"])
def test_a_region_without_a_usable_area_is_none(number: str) -> None:
    assert samples.face_regions(Packet(MARIE.replace('x="0.5"', f'x="{number}"').encode())) == []


def acdsee(*items: str, size: tuple[int, int] = (400, 300)) -> str:
    """As ACDSee writes; items: type, name and areas."""
    listed = "".join(f'<rdf:li rdf:parseType="Resource">{item}</rdf:li>' for item in items)
    return samples.plain(
        '<a:Regions xmlns:a="http://ns.acdsee.com/regions/" xmlns:s="http://ns.acdsee.com/sType/Area#" '
        'xmlns:d="http://ns.acdsee.com/sType/Dimensions#" rdf:parseType="Resource">'
        f'<a:AppliedToDimensions d:w="{size[0]}" d:h="{size[1]}" d:unit="pixel"/>'
        f"<a:RegionList><rdf:Bag>{listed}</rdf:Bag></a:RegionList></a:Regions>"
    )


def iptc(*items: str) -> str:
    """As the IPTC's standard has it."""
    listed = "".join(f'<rdf:li rdf:parseType="Resource">{item}</rdf:li>' for item in items)
    return samples.plain(
        '<i:ImageRegion xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'xmlns:xmp="http://ns.adobe.com/xap/1.0/"><rdf:Bag>{listed}</rdf:Bag></i:ImageRegion>'
    )


def boundary(shape: str, inside: str, unit: str = "relative") -> str:
    return (
        f'<i:RegionBoundary rdf:parseType="Resource"><i:rbShape>{shape}</i:rbShape><i:rbUnit>{unit}</i:rbUnit>'
        f"{inside}</i:RegionBoundary>"
    )


def in_person(name: str) -> str:
    return f"<i:PersonInImage><rdf:Bag><rdf:li>{name}</rdf:li></rdf:Bag></i:PersonInImage>"


def of_type(kind: str) -> str:
    address = f"http://cv.iptc.org/newscodes/imageregiontype/{kind}"
    entity = f"<xmp:Identifier><rdf:Bag><rdf:li>{address}</rdf:li></rdf:Bag></xmp:Identifier>"
    return f'<i:rCtype><rdf:Bag><rdf:li rdf:parseType="Resource">{entity}</rdf:li></rdf:Bag></i:rCtype>'


def alternatives(name: str) -> str:
    return f'<i:Name><rdf:Alt><rdf:li xml:lang="x-default">{name}</rdf:li></rdf:Alt></i:Name>'


RECTANGLE = "<i:rbX>0.4</i:rbX><i:rbY>0.25</i:rbY><i:rbW>0.2</i:rbW><i:rbH>0.3</i:rbH>"
PIXELS = "<i:rbX>160</i:rbX><i:rbY>75</i:rbY><i:rbW>80</i:rbW><i:rbH>90</i:rbH>"
CIRCLE = "<i:rbX>0.5</i:rbX><i:rbY>0.4</i:rbY><i:rbRx>0.1</i:rbRx>"
POLYGON = "<i:rbVertices><rdf:Seq>" + "".join(
    f'<rdf:li rdf:parseType="Resource"><i:rbX>{x}</i:rbX><i:rbY>{y}</i:rbY></rdf:li>'
    for x, y in ((0.4, 0.4), (0.5, 0.25), (0.6, 0.4), (0.5, 0.55))
)
POLYGON += "</rdf:Seq></i:rbVertices>"


@pytest.mark.parametrize(
    ("item", "height"),
    [
        (boundary("rectangle", RECTANGLE) + in_person("Ann"), 0.3),
        (boundary("rectangle", PIXELS, "pixel") + in_person("Ann"), 0.3),
        (boundary("circle", CIRCLE) + in_person("Ann"), 0.2 * 400 / 300),
        (boundary("polygon", POLYGON) + in_person("Ann"), 0.3),
        (boundary("rectangle", RECTANGLE) + of_type("human") + alternatives("Ann"), 0.3),
    ],
)
def test_regions_of_the_iptc_are_read(item: str, height: float) -> None:
    (region,) = face_regions(Packet(iptc(item).encode()), samples.SIZE).usable
    assert region.name == "Ann"
    assert region.area.is_at(0.5, 0.4, 0.2, height)


def test_regions_of_the_iptc_that_show_no_one_person_say_nothing_and_one_without_an_area_is_noted() -> None:
    two = in_person("Ann").replace("<rdf:li>Ann</rdf:li>", "<rdf:li>Ann</rdf:li><rdf:li>Bob</rdf:li>")
    found = face_regions(
        Packet(
            iptc(
                boundary("rectangle", RECTANGLE) + of_type("plant") + alternatives("Rose"),
                boundary("rectangle", RECTANGLE) + alternatives("The left half"),
                boundary("rectangle", RECTANGLE) + two,
                boundary("rectangle", "") + in_person("Carl"),
            ).encode()
        ),
        samples.SIZE,
    )
    assert found.usable == []
    assert [each.name for each in found.unusable] == ["Carl"]


ACDSEE_ANN = (
    "<a:Name>Ann</a:Name><a:Type>Face</a:Type>"
    '<a:ALGArea s:x="0.1" s:y="0.1" s:w="0.1" s:h="0.1"/><a:DLYArea s:x="0.5" s:y="0.4" s:w="0.2" s:h="0.3"/>'
)
ACDSEE_BOB = '<a:Name>Bob</a:Name><a:ALGArea s:x="0.7" s:y="0.6" s:w="0.1" s:h="0.2"/>'
ACDSEE_CHAIR = '<a:Name>Chair</a:Name><a:Type>Object</a:Type><a:DLYArea s:x="0.7" s:y="0.6" s:w="0.1" s:h="0.2"/>'


def test_acdsees_regions_are_read() -> None:
    found = face_regions(Packet(acdsee(ACDSEE_ANN, ACDSEE_BOB, ACDSEE_CHAIR).encode()), samples.SIZE)
    assert [(region.name, region.area) for region in found.usable] == [
        ("Ann", Area(0.5, 0.4, 0.2, 0.3)),  # as the user sees it, not as the detection had drawn it
        ("Bob", Area(0.7, 0.6, 0.1, 0.2)),
    ]
    assert (found.unusable, found.stale) == ([], [])
    cropped = face_regions(Packet(acdsee(ACDSEE_ANN, size=(400, 200)).encode()), samples.SIZE)
    assert (cropped.usable, [each.name for each in cropped.unusable]) == ([], ["Ann"])


def area_of(fields: str, size: tuple[int, int] = samples.SIZE) -> Area | None:
    """The area of a region of the Metadata Working Group's with these fields; None where it is named as unusable."""
    text = samples.lightroom(samples.lightroom_region("Ann", 1, 2, 3, 4), size=size)
    start = text.index("<mwg-rs:Area")
    text = f"{text[:start]}<mwg-rs:Area {fields}/>{text[text.index('/>', start) + 2 :]}"
    found = face_regions(Packet(text.encode()), samples.SIZE)
    assert [each.name for each in found.unusable] == ([] if found.usable else ["Ann"])
    return found.usable[0].area if found.usable else None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ('stArea:x="0,5" stArea:y="0,4" stArea:w="0,2" stArea:h=",3"', Area(0.5, 0.4, 0.2, 0.3)),
        ('stArea:x="50" stArea:y="40" stArea:w="20" stArea:h="30" stArea:unit="percent"', Area(0.5, 0.4, 0.2, 0.3)),
        ('stArea:x="50%" stArea:y="40%" stArea:w="20%" stArea:h="30%"', Area(0.5, 0.4, 0.2, 0.3)),
        ('stArea:x="200" stArea:y="120" stArea:w="80" stArea:h="90" stArea:unit="Pixel"', Area(0.5, 0.4, 0.2, 0.3)),
        # A circle of 0.3 times 300 px: 90 px of 400 across.
        ('stArea:x="0.5" stArea:y="0.4" stArea:d="0.3" stArea:unit="normalized"', Area(0.5, 0.4, 0.225, 0.3)),
        ('stArea:x="200" stArea:y="120" stArea:d="90" stArea:unit="pixel"', Area(0.5, 0.4, 0.225, 0.3)),
        ('stArea:x="0.5" stArea:y="0.4" stArea:unit="normalized"', None),  # a point
        ('stArea:x="50" stArea:y="40" stArea:w="20" stArea:h="30"', None),  # percent, or px of a small picture?
    ],
)
def test_areas_are_read_as_programs_write_them(fields: str, expected: Area | None) -> None:
    found = area_of(fields)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.is_at(expected.x, expected.y, expected.w, expected.h)


@pytest.mark.parametrize(
    ("size", "is_of_this_photo"),
    [
        ((400, 300), True),
        ((4000, 3000), True),  # of the same picture, larger
        ((133, 100), True),
        ((4004, 3000), True),  # as RAW developers and cameras differ
        ((300, 300), False),
        ((300, 400), False),  # turned since, or written by a program that is at odds with the standard
        ((400, 280), False),
        ((0, 0), True),  # says nothing
    ],
)
def test_regions_for_another_picture_are_not_used(size: tuple[int, int], is_of_this_photo: bool) -> None:
    assert (
        area_of('stArea:x="0.5" stArea:y="0.4" stArea:w="0.2" stArea:h="0.3"', size) is not None
    ) is is_of_this_photo


@pytest.mark.parametrize("numbers", ["0,4, 0,25, 0,2, 0,3", "0,4,0,25,0,2,0,3", "0.4;0.25;0.2;0.3", "0.4 0.25 0.2 0.3"])
def test_microsofts_rectangle_is_read_however_its_numbers_are_set_apart(numbers: str) -> None:
    text = samples.digikam("Ann", 0.5, 0.4, 0.2, 0.3)
    start = text.index('MPReg:Rectangle="')
    text = f'{text[:start]}MPReg:Rectangle="{numbers}"{text[text.index(chr(10), start) :]}'
    (region,) = [region for region in samples.face_regions(Packet(text.encode())) if region.holder is None]
    assert region.area.corners == pytest.approx((0.4, 0.25, 0.6, 0.55))


def test_microsofts_regions_share_the_fate_of_those_that_say_their_size() -> None:
    text = samples.digikam("Ann", 0.5, 0.4, 0.2, 0.3)
    text = text.replace(
        "    <mwg-rs:RegionList>",
        '<mwg-rs:AppliedToDimensions xmlns:d="http://ns.adobe.com/xap/1.0/sType/Dimensions#" d:w="300" d:h="300"/>'
        "    <mwg-rs:RegionList>",
    )
    found = face_regions(Packet(text.encode()), samples.SIZE)
    assert (found.usable, {each.name for each in found.unusable}) == ([], {"Ann"})


def test_a_name_in_the_extensions_counts_where_there_is_no_other() -> None:
    text = samples.lightroom(samples.lightroom_region(None, 0.5, 0.4, 0.2, 0.3))
    inside = (
        '<i:PersonInImage xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><rdf:Bag>{}</rdf:Bag></i:PersonInImage>'
    )
    for people, expected in ((["Ann"], "Ann"), (["Ann", "Bob"], "")):
        listed = inside.format("".join(f"<rdf:li>{person}</rdf:li>" for person in people))
        extended = text.replace(
            "       </rdf:Description>\n",
            f'<mwg-rs:Extensions rdf:parseType="Resource">{listed}</mwg-rs:Extensions></rdf:Description>',
        )
        assert [region.name for region in samples.face_regions(Packet(extended.encode()))] == [expected]


def test_a_name_with_qualifiers_is_read() -> None:
    text = samples.digikam("NAME", 0.5, 0.4, 0.2, 0.3).replace(
        "<mwg-rs:Name>NAME</mwg-rs:Name>",
        '<mwg-rs:Name rdf:parseType="Resource"><rdf:value>Zoe\u0308\n Ann</rdf:value></mwg-rs:Name>',
    )
    assert samples.face_regions(Packet(text.encode()))[0].name == "Zoë Ann"


# What is refused

BOMB = '<!DOCTYPE lol [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not well-formed XML"),
        (b"\0\0\0\0", "is not well-formed XML"),
        (b"\xff\xd8\xff\xe0 a photo", "is not well-formed XML"),
        (b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>", "is not well-formed XML"),
        (b"<html/>", "no rdf:RDF"),
        (b"<a:b/>", "is not well-formed XML"),
        ((BOMB + samples.plain()).encode(), "document type declaration"),
        (b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" + samples.plain().encode(), "document type declaration"),
        (samples.plain("&boom;").encode(), "is not well-formed XML"),
        (samples.plain("<odd:a>" * 5000 + "</odd:a>" * 5000).encode(), "nested more than 100 deep"),
        (b'<?xml version="1.0" encoding="klingon"?>' + samples.plain().encode(), "encoding"),
        (samples.plain("ä").encode("latin-1"), "is not well-formed XML"),
        (("\ufeff" + samples.plain()).encode("utf-16-le")[:-1], "encoding"),
        (b" " * (MAX_PACKET_BYTES + 1), "larger than 64 MB"),
    ],
)
def test_what_could_harm_or_is_no_xmp_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(PacketError, match=reason):
        Packet(content)


def test_no_file_is_fetched_for_an_entity(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    entity = f'<!DOCTYPE x [<!ENTITY s SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    with pytest.raises(PacketError):
        Packet((entity + samples.plain("&s;")).encode())


# Edits


def edited(text: str, encoding: str = "utf-8") -> str:
    """A packet's text with one more item in its list of keywords."""
    packet = Packet(text.encode(encoding))
    editor = Editor(packet)
    (subject,) = packet.properties("http://purl.org/dc/elements/1.1/", "subject")
    bag = subject.child(RDF, "Bag")
    assert bag is not None
    editor.append(bag, "<rdf:li>Zoë</rdf:li>")
    return packet.as_content(editor.result()).decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_an_edit_leaves_every_other_byte_alone(encoding: str, mark: str) -> None:
    item = "     <rdf:li>Holiday</rdf:li>"
    assert edited(mark + MARIE, encoding) == mark + MARIE.replace(item, f"{item}\n     <rdf:li>Zoë</rdf:li>")


def test_a_declared_encoding_is_kept() -> None:
    text = "<?xml version='1.0' encoding='iso-8859-1'?>" + MARIE.replace("Holiday", "Südsee")
    packet = Packet(text.encode("latin-1"))
    editor = Editor(packet)
    (subject,) = packet.properties("http://purl.org/dc/elements/1.1/", "subject")
    bag = subject.child(RDF, "Bag")
    assert bag is not None
    editor.append(bag, "<rdf:li>Zoë Łuk</rdf:li>")
    assert "<rdf:li>Zoë &#321;uk</rdf:li>" in packet.as_content(editor.result()).decode("latin-1")


def test_empty_tags_are_opened() -> None:
    text = samples.plain('<odd:list ><rdf:Bag /></odd:list><odd:name odd:a="/>"/>')
    packet = Packet(text.encode())
    editor = Editor(packet)
    (listed,) = packet.properties("http://example.org/odd/", "list")
    editor.append(listed.children[0], "<rdf:li/>")
    (name,) = packet.properties("http://example.org/odd/", "name")
    editor.set_attribute(name, "http://example.org/odd/", "a", 'b"<&')
    result = editor.result().decode()
    assert "<rdf:Bag>\n <rdf:li/>\n</rdf:Bag>" in result
    assert "<odd:name odd:a='b\"&lt;&amp;'/>" in result
    Packet(result.encode())


def test_a_property_that_cannot_hold_fields_is_refused() -> None:
    packet = Packet(samples.plain("<odd:a>text</odd:a>").encode())
    with pytest.raises(PacketError, match="has a in a form"):
        Editor(packet).append(packet.properties("http://example.org/odd/", "a")[0], "<rdf:li/>")


def test_a_sidecar_with_many_masks_is_read() -> None:
    items = "\n".join(f"<rdf:li odd:mask='{'0' * 100}'>{number}</rdf:li>" for number in range(50_000))
    text = samples.plain(f"<odd:masks><rdf:Seq>{items}</rdf:Seq></odd:masks>")
    assert len(Packet(text.encode()).descriptions[0].children[0].children[0].children) == 50_000
