"""Sidecars in the forms that other programs write, with properties that are none of facesearch's business, and damage
to them."""

from __future__ import annotations

import random

from facesearch.exchange.packets import Packet
from facesearch.exchange.regions import Region
from facesearch.exchange.regions import face_regions as read_regions

SIZE = (400, 300)
"""Width and height in px of the stored photo that the samples speak of."""

NAMESPACES = """\
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#\""""


def lightroom(*regions: str, size: tuple[int, int] = SIZE) -> str:
    """As Adobe's toolkit writes: an attribute a line, structures as rdf:Description, settings of the development.

    regions: the items of the list, as `lightroom_region` gives them. size: width and height in px of the stored photo.
    """
    listed = "\n".join(regions)
    return f"""\
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000, 0000/00/00-00:00:00        ">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
{NAMESPACES}
   xmp:Rating="4"
   tiff:Orientation="6"
   crs:Version="15.0"
   crs:Exposure2012="+0.35"
   crs:Look='a "quoted" &amp; odd&#xA;value &gt;'>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Holiday</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <crs:ToneCurvePV2012>
    <rdf:Seq>
     <rdf:li>0, 0</rdf:li>
     <rdf:li>255, 255</rdf:li>
    </rdf:Seq>
   </crs:ToneCurvePV2012>
   <!-- a comment <with> tags & such -->
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions
     stDim:w="{size[0]}"
     stDim:h="{size[1]}"
     stDim:unit="pixel"/>
    <mwg-rs:RegionList>
     <rdf:Bag>
{listed}
     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""


def lightroom_region(name: str | None, x: float, y: float, w: float, h: float, *, kind: str = "Face") -> str:
    """An item of the list of regions. name: None for a face that nobody has named."""
    named = "" if name is None else f'\n        mwg-rs:Name="{name}"'
    return f"""\
      <rdf:li>
       <rdf:Description
        mwg-rs:Rotation="0.00000"{named}
        mwg-rs:Type="{kind}">
       <mwg-rs:Area
        stArea:h="{h}"
        stArea:w="{w}"
        stArea:x="{x}"
        stArea:y="{y}"/>
       </rdf:Description>
      </rdf:li>"""


def digikam(name: str, x: float, y: float, w: float, h: float) -> str:
    """As Exiv2 writes: a packet's wrapper, and each region twice, as Microsoft's too."""
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:MP="http://ns.microsoft.com/photo/1.2/"
    xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
    xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
   digiKam:ColorLabel="0">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>People/{name}</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
   <MP:RegionInfo rdf:parseType="Resource">
    <MPRI:Regions>
     <rdf:Bag>
      <rdf:li
       MPReg:Rectangle="{x - w / 2}, {y - h / 2}, {w}, {h}"
       MPReg:PersonDisplayName="{name}"/>
     </rdf:Bag>
    </MPRI:Regions>
   </MP:RegionInfo>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:RegionList>
     <rdf:Bag>
      <rdf:li rdf:parseType="Resource">
       <mwg-rs:Name>{name}</mwg-rs:Name>
       <mwg-rs:Type>Face</mwg-rs:Type>
       <mwg-rs:Area rdf:parseType="Resource">
        <stArea:x>{x}</stArea:x>
        <stArea:y>{y}</stArea:y>
        <stArea:w>{w}</stArea:w>
        <stArea:h>{h}</stArea:h>
        <stArea:unit>normalized</stArea:unit>
       </mwg-rs:Area>
      </rdf:li>
     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def darktable() -> str:
    """As darktable writes: no regions, the development as a list of steps, and masks."""
    return """\
<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:darktable="http://darktable.sf.net/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
   exif:DateTimeOriginal="2023:05:17 10:21:33.000"
   xmp:Rating="3"
   xmpMM:DerivedFrom="a.jpg"
   darktable:import_timestamp="63819915912873342"
   darktable:xmp_version="5"
   darktable:raw_params="0"
   darktable:auto_presets_applied="1"
   darktable:history_end="1"
   darktable:iop_order_version="4"
   darktable:history_current_hash="93e3a3d1c3ba8d9d1cbf1f4b3e4f1c07">
   <darktable:masks_history>
    <rdf:Seq/>
   </darktable:masks_history>
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num="0"
      darktable:operation="exposure"
      darktable:enabled="1"
      darktable:modversion="6"
      darktable:params="00000000000080b90000003f00004842000080c0"
      darktable:multi_name=""
      darktable:multi_priority="0"
      darktable:blendop_version="13"
      darktable:blendop_params="gz11eJxjYGBgkGAAgRNODESDBnsIHll8ANNSGQM="/>
    </rdf:Seq>
   </darktable:history>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Holiday</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>Holiday</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""


def plain(inside: str = "", about: str = "") -> str:
    """A packet without regions. inside: more of the one rdf:Description."""
    return f"""\
<x:xmpmeta xmlns:x='adobe:ns:meta/'>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
<rdf:Description rdf:about='{about}' xmlns:odd='http://example.org/odd/' odd:kept='yes'>{inside}</rdf:Description>
</rdf:RDF>
</x:xmpmeta>"""


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Bytes with some flipped, cut out, doubled, or taken from elsewhere in them."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) or 1)
        end = min(len(data), start + chance.choice([1, 1, 2, 8, 60]))
        kind = chance.randrange(5)
        if kind == 0:
            data[start:end] = bytes(chance.randrange(256) for _ in range(end - start))
        elif kind == 1:
            del data[start:end]
        elif kind == 2:
            data[start:start] = data[start:end]
        elif kind == 3:
            other = chance.randrange(len(data) or 1)
            data[start:end] = data[other : other + end - start]
        else:
            del data[start:]
    return bytes(data)


def face_regions(packet: Packet, size: tuple[int, int] = SIZE) -> list[Region]:
    """The regions of a packet that can be used, of every form."""
    return read_regions(packet, size).usable


def mwg_regions(packet: Packet) -> list[Region]:
    """Those of the Metadata Working Group's form alone, whatever picture they are for."""
    found = read_regions(packet, SIZE)
    return [region for region in (*found.usable, *found.stale) if region.holder is not None]
