"""One HTML file that shows faces: everything inside it, for its owner alone.

A page loads nothing from anywhere and sends nothing: its pictures are data URIs, and its Content-Security-Policy holds
it to that. The file is private whatever the umask, and takes the place only of an earlier page of facesearch. Contact
sheets and explanations are modules of their own, imported by name.
"""

from facesearch.pages.file import beside, check_page_file, write_page
from facesearch.pages.pictures import data_uri, jpeg, picture
from facesearch.pages.shell import render_page, text

__all__ = ["beside", "check_page_file", "data_uri", "jpeg", "picture", "render_page", "text", "write_page"]
