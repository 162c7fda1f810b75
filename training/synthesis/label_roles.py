"""What a label's name says: bone, muscle or organ. Names of the label maps, TotalSegmentator's among them."""

import re

from training.synthesis.person import Organ

HIP_BONES = {"pelvis", "hip", "hip_left", "hip_right", "hip_bone", "hip_bone_left", "hip_bone_right"}
FEMORA = {"femur", "femur_left", "femur_right"}

_OTHER_BONE = re.compile(r"^(sacrum|coccyx|spine|vertebrae?|patella|tibia|fibula)(_|$)")
PATELLAE = {"patella", "patella_left", "patella_right"}
TIBIAE = {"tibia", "tibia_left", "tibia_right"}
_MUSCLE = re.compile(
    r"muscle|glute|iliac(us)|psoas|iliopsoas|piriformis|obturator|gemell|quadratus|pectineus|adductor|gracilis"
    r"|sartorius|rectus|vastus|biceps|semimembranosus|semitendinosus|tensor_fasciae|autochthon|erector|oblique"
)
_ORGANS = {
    Organ.BLADDER: re.compile(r"^(urinary_)?bladder$"),
    Organ.BOWEL: re.compile(r"^(small_bowel|colon|rectum|bowel)$"),
    Organ.PROSTATE_OR_UTERUS: re.compile(r"^(prostate|uterus)$"),
    Organ.ARTERY: re.compile(r"^(aorta|(iliac|femoral)_arter(y|ia).*)$"),
    Organ.VEIN: re.compile(r"^(inferior_vena_cava|(iliac|femoral)_(vena|vein).*)$"),
}


def is_other_bone(name: str) -> bool:
    """Spine, sacrum or coccyx; patella, tibia or fibula."""
    return bool(_OTHER_BONE.match(name))


def muscle_name(name: str) -> str | None:
    """The muscle's name without its side; None where it is no muscle."""
    if name in HIP_BONES or name in FEMORA or not _MUSCLE.search(name):
        return None
    return re.sub(r"_(left|right)$", "", name)


def organ_of(name: str) -> Organ | None:
    """Which organ of the pelvis or the groin; None for all others."""
    return next((organ for organ, pattern in _ORGANS.items() if pattern.match(name)), None)
