"""Pictures as lists of marks, drawn as SVG for pages and as PNG for TensorBoard."""

from src.reporting.drawing.axes import Frame, Scale, scale_of
from src.reporting.drawing.marks import Drawing
from src.reporting.drawing.png import to_png
from src.reporting.drawing.svg import STYLE_SHEET, to_svg

__all__ = ["STYLE_SHEET", "Drawing", "Frame", "Scale", "scale_of", "to_png", "to_svg"]
