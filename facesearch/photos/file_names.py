"""What names tell: which files are photos or videos, which may be, and which folders belong to other programs."""

from __future__ import annotations

from facesearch.photos.decoding.raw import RAW_SUFFIXES, suffix_of

_PHOTOS = """
.apng .avif .bmp .dib .gif .heic .heif .hif .j2k .jfif .jp2 .jpe .jpeg .jpf .jpg .jpx .jxl .jxr .mpo .pbm .pgm .png .pnm
.ppm .tif .tiff .webp
"""
PHOTO_SUFFIXES = frozenset(_PHOTOS.split()) | RAW_SUFFIXES

VIDEO_SUFFIXES = frozenset([".3g2", ".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".qt", ".webm"])

# Files with these suffixes are never opened: other videos, sound, files beside photos, texts and tables, archives,
# programs and their data, drawings, unfinished downloads, and copies that editors leave behind.
_OTHERS = """
.asf .divx .dv .flv .insv .lrv .m2t .m2ts .mod .mpeg .mpg .mts .ogm .ogv .rm .rmvb .tod .ts .vob .wmv
.aac .aif .aiff .amr .ape .flac .m4a .m4b .mid .mp3 .oga .ogg .opus .wav .wma
.aae .acr .arp .cos .cot .cop .dop .exif .gpx .icc .ini .json .kml .kmz .lrtemplate .lut .nksc .on1 .pp3 .srt .sub .thm
.vrd .xmp .xml .yaml .yml
.csv .doc .docx .epub .htm .html .log .md .mobi .numbers .odp .ods .odt .pages .pdf .ppt .pptx .rtf .tsv .txt .url .vcf
.webloc .xls .xlsx
.7z .bz2 .cab .dmg .gz .iso .jar .lz .lz4 .rar .tar .tbz .tgz .xz .zip .zst
.apk .bat .bin .c .class .cmd .cpp .css .dat .db .db-shm .db-wal .dll .dylib .exe .h .js .lnk .lock .lrcat .msi .o
.pack .parquet .ps1 .py .pyc .pkl .rb .sh .so .sql .sqlite .sqlite3 .swp .sys .toml .ttf .woff .woff2
.ai .eps .indd .ps .psb .psd .svg .svgz .wmf .emf .xcf .kra .clip .sketch
.aria2 .crdownload .download .filepart .opdownload .part .partial .temp .tmp
.bak .bkp .old .orig
"""
_OTHER_SUFFIXES = frozenset(_OTHERS.split())
_OTHER_ENDINGS = ("_original", "~")  # the copies that ExifTool and editors make before they change a file

_FOREIGN_FOLDERS = {
    *("@eadir", "#recycle", "#snapshot", "@sharesnap", "@tmp"),  # Synology
    *("@recycle", "@recently-snapshot", "@transcode"),  # QNAP
    *("$recycle.bin", "recycler", "recycled", "system volume information", "found.000", "lost+found"),  # Windows, ext4
    *("__macosx", "network trash folder", "temporary items"),  # Macs, on other systems' disks
    *("files_trashbin", "files_versions"),  # Nextcloud
    "~snapshot",  # NetApp
}
_FOREIGN_ENDINGS = (
    *(".photoslibrary", ".photolibrary", ".migratedphotolibrary", ".aplibrary", ".tvlibrary"),  # Apple's programs
    *(".lrdata", ".lrcat-data"),  # Lightroom's previews
    *(".cocatalogdb", ".cosessiondb"),  # Capture One
)
_FOREIGN_BEGINNINGS = ("appdata_",)  # Nextcloud's previews


def is_named_as_photo(name: str) -> bool:
    """Whether a file is a photo by the end of its name, in upper or lower case, dots and spaces behind it aside."""
    return suffix_of(name) in PHOTO_SUFFIXES


def is_named_as_video(name: str) -> bool:
    """Whether a file is a video of a kind that facesearch reads, by the end of its name."""
    return suffix_of(name) in VIDEO_SUFFIXES


def may_be_photo(name: str) -> bool:
    """Whether only the first bytes of a file can tell that it is not a photo."""
    return suffix_of(name) not in _OTHER_SUFFIXES | VIDEO_SUFFIXES and not name.lower().endswith(_OTHER_ENDINGS)


def is_foreign_folder(name: str) -> bool:
    """Whether a NAS, a system or a photo program keeps thumbnails, copies and deleted files in folders of this name."""
    lower = name.lower()
    return lower in _FOREIGN_FOLDERS or lower.endswith(_FOREIGN_ENDINGS) or lower.startswith(_FOREIGN_BEGINNINGS)
