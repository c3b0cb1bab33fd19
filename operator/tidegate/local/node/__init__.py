"""The one node of the embedded cluster: pods become processes of this machine."""

from tidegate.local.node.images import ImageEnvironment, Images
from tidegate.local.node.node import Node
from tidegate.local.node.surroundings import Timing

__all__ = ["ImageEnvironment", "Images", "Node", "Timing"]
