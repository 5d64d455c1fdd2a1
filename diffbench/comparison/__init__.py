"""Studies, inspections and cells side by side, and what they differ by over what they share."""
