"""The local page and the REST API: `facesearch serve`.

Talks to the API only. The page is HTML that is rendered here, improved in the browser by a few modules of plain
JavaScript; nothing is loaded from elsewhere. Refuses whoever does not have the token, foreign hosts and origins, and to
serve a file by its path.
"""
