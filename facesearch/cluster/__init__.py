"""Work on photos spread over machines, by engines that exist. Needs the extra `cluster`; the library stays here."""

from facesearch.cluster.workers import ClusterWorkers

__all__ = ["ClusterWorkers"]
