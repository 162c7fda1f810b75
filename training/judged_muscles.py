"""What truths that are sets of classes mean for judging: what is judged, by which name, what is left out.

A set is found where any of its classes is. Where another set that shares a class with it is true, nobody
knows whether it is there: such voxels count neither for nor against it.
"""

import numpy as np

from inference.muscles import BONES, MUSCLES
from training.synthesis.muscle_truth import TRUTHS

NAMES = tuple("+".join(sorted(one.name.lower() for one in members)) for members in TRUTHS)
"""Of each truth; of a set the names of its classes."""

JUDGED = tuple(label for label, members in enumerate(TRUTHS) if members <= {*BONES, *MUSCLES})
"""Labels of the 21 muscles, femur and hip bone, and of sets of them."""

MEASURED = tuple(label for label in JUDGED if TRUTHS[label] <= set(MUSCLES))
"""Those without the bones: what means are taken over."""

MEMBERS = np.array([[one in members for one in range(max(map(max, TRUTHS)) + 1)] for members in TRUTHS])
"""Bool, (truth, class): which classes a truth stands for."""

UNCLEAR = (MEMBERS.astype(int) @ MEMBERS.T.astype(int) > 0) & ~np.eye(len(TRUTHS), dtype=bool)
"""Bool, (truth, truth): where the second is true, the first may be or not."""
