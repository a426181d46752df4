"""How well a tower tells people apart: protocols, figures by group, sensitivity, and the report."""
