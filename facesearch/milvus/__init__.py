"""A library's faces in a Milvus collection: published there, and searched there instead of in FAISS.

The library stays the truth. Milvus proposes faces, and how far they are is computed from the library's rows. Numbers
alone leave the library: no name, no path, no picture. Needs the extra `milvus`.
"""

from __future__ import annotations

from facesearch.milvus.connection import MilvusPlace
from facesearch.milvus.nearest_faces import MilvusSearch
from facesearch.milvus.publishing import PublishSummary, check_place, publish, withdraw

__all__ = ["MilvusPlace", "MilvusSearch", "PublishSummary", "check_place", "publish", "withdraw"]
