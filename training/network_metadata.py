"""What a bundle says about the network of each task."""

from inference.bundle import HIP_TISSUE
from inference.bundle import LABELS as TISSUES
from inference.muscle_bundle import LABELS as STRUCTURES
from inference.muscle_bundle import THIGH_MUSCLE
from inference.muscle_labels import OVERLAP
from inference.networks.dense_unet import DenseUNet
from inference.networks.muscle_network import GAMMA, WINDOW_HU
from training.bundle_writer import NetworkMetadata
from training.muscle_config import MuscleTraining
from training.synthesis.muscle_blocks import SPACING_MM
from training.tasks import AnyTraining
from training.tissue_config import TissueTraining
from training.tissue_task import network_arguments

NETWORKS = "inference.networks"


def network_metadata(config: AnyTraining) -> NetworkMetadata:
    """Of the network that a configuration trains."""
    return _tissue(config) if isinstance(config, TissueTraining) else _muscle(config)


def _tissue(config: TissueTraining) -> NetworkMetadata:
    arguments = network_arguments(config)
    return NetworkMetadata(
        task="Seven tissues of hip and thigh in axial CT",
        image_classes="CT in HU, one channel a window, each clipped and scaled to -1 .. 1",
        channels=[f"{low:g} to {high:g} HU" for low, high in config.windows_hu],
        value_range=(-1, 1),
        spatial_shape=[f"{DenseUNet(**arguments).multiple}*n"] * 2,
        labels=TISSUES,
        references=["Imani 2025, sections 2.3 and 2.4: seven tissues of the hip by a Dense U-Net"],
        coxa={
            "task": HIP_TISSUE,
            "network": arguments,
            "pixel_mm": config.pixel_mm,
            "windows_hu": [list(window) for window in config.windows_hu],
        },
        network_def={"_target_": f"{NETWORKS}.dense_unet.DenseUNet", **arguments},
        inferer={"_target_": "SimpleInferer"},
    )


def _muscle(config: MuscleTraining) -> NetworkMetadata:
    settings = config.network.model_dump(mode="json")
    low, high = WINDOW_HU
    kind = f"{NETWORKS}.muscle_network.{type(config.network).__name__}"
    return NetworkMetadata(
        task="Thigh muscles, femur and hip bone in CT",
        image_classes=f"CT in HU, clipped to {low:g} .. {high:g}, scaled to 0 .. 1, then gamma {GAMMA:g}",
        channels=[f"{low:g} to {high:g} HU"],
        value_range=(0, 1),
        spatial_shape=config.block,
        labels=STRUCTURES,
        references=[
            "Kim 2024, doi 10.7717/peerj.17509: muscles of the thigh by UNETR",
            "Kim 2024, doi 10.1038/s41598-024-53707-8: the model of the same",
        ],
        coxa={
            "task": THIGH_MUSCLE,
            "network": settings,
            "spacing_mm": list(SPACING_MM),
            "block": list(config.block),
            "window_hu": list(WINDOW_HU),
            "gamma": GAMMA,
        },
        network_def={
            "_target_": f"{NETWORKS}.muscle_network.MuscleNetwork",
            "settings": {"_target_": kind, **settings},
        },
        inferer={
            "_target_": "SlidingWindowInferer",
            "roi_size": list(config.block),
            "overlap": OVERLAP,
            "mode": "gaussian",
        },
    )
