"""Islands: pieces of a muscle or bone far from the rest of it, which no patient has."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

LEAST_SHARE = 0.1
"""Of a structure's largest piece. Left and right are two pieces, and one that is cut may be much smaller. On
three synthetic series, with a network that had learned little, the mean DSC rose from 0.635 to 0.646."""


def without_islands(probabilities: Tensor) -> Tensor:
    """Probabilities in which small pieces have lost theirs to what is next likely.

    Args:
        probabilities: (class, slice, row, column), class 0 is the background; not changed.
    """
    labels = probabilities.max(dim=0).indices.to(torch.uint8).numpy()
    cleaned = probabilities.clone()
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        pieces, count = ndimage.label(labels[box] == number)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        sizes[0] = 0
        small = sizes < LEAST_SHARE * sizes.max()
        small[0] = False
        lost = torch.from_numpy(small[pieces])
        cleaned[number][box][lost] = 0
    return cleaned
