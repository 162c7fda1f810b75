from dataclasses import replace

import pytest
import torch
from torch import Tensor

from inference.tissue_protocol import Tissue
from tests.training.synthesis.plain import axes, draw_plain, plain_variation
from training.synthesis.exposure import Slab, expose
from training.synthesis.scanner_settings import ScannerSettings, sample_settings
from training.synthesis.truth import Region

SIDE = 64


def settings(count: int = 1, **scanner: object) -> ScannerSettings:
    return sample_settings(plain_variation(scanner=scanner).scanner, count, torch.Generator().manual_seed(1))


def even(hu: float, region: Region = Region.LIMB, bone: float = 0.0) -> Slab:
    """A slab of one substance in air."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    disc = (torch.hypot(rows - SIDE / 2, columns - SIDE / 2) < SIDE / 2 - 4)[None]
    return Slab(
        torch.where(disc, hu, -1000.0),
        disc * bone,
        torch.zeros(disc.shape),
        torch.where(disc, int(region), int(Region.NONE)),
    )


def scan(slab: Slab, settings: ScannerSettings) -> tuple[Tensor, Tensor]:
    return expose(slab, 2.0, settings, torch.Generator().manual_seed(1))


def middle_hu(slab: Slab, kvp: float) -> float:
    hu, _ = scan(slab, settings(kvp=(kvp, kvp)))
    return float(hu[0, 24:40, 24:40].mean())


def test_a_thin_slab_is_one_slice() -> None:
    patient, place = draw_plain(), axes(step_mm=8.0)
    slab, slice_ = Slab.of(patient, -20.0, 1.0, *place), patient.render(-20.0, *place)
    assert slab.hu[0].equal(slice_.hu)
    assert slab.bone[0].equal(slice_.bone)
    assert slab.region[0].equal(slice_.region)


def test_a_thick_slab_is_the_mean_of_thin_slices() -> None:
    patient, place = draw_plain(), axes(step_mm=8.0)
    slab = Slab.of(patient, -20.0, 5.0, *place)
    thin = [patient.render(-20.0 + off, *place) for off in (-5 / 3, 0.0, 5 / 3)]
    torch.testing.assert_close(slab.hu[0], torch.stack([one.hu for one in thin]).mean(0))
    torch.testing.assert_close(slab.bone[0], torch.stack([one.bone for one in thin]).mean(0))
    assert slab.region[0].equal(thin[1].region)


def test_metal_and_the_joint_that_was_taken_out_have_no_label() -> None:
    patient, place = draw_plain(surroundings={"implant": 1.0}), axes(step_mm=4.0)
    rendered = patient.render(-20.0, *place)
    assert rendered.metal.any()
    assert (rendered.region[rendered.metal > 0.5] == Region.NONE).all()


def test_three_levels_stand_for_a_thick_slab() -> None:
    patient, place = draw_plain(), axes(rows_mm=60, columns_mm=150, step_mm=4.0)
    slab = Slab.of(patient, -20.0, 5.0, *place)
    fine = torch.stack([patient.render(-22.5 + 0.25 + 0.5 * part, *place).hu for part in range(10)]).mean(0)
    assert float((slab.hu[0] - fine).mean()) == pytest.approx(0, abs=2)
    assert float((slab.hu[0] - fine).abs().mean()) < 12


def test_slabs_are_put_together_in_order() -> None:
    both = Slab.together([even(10.0), even(20.0)])
    assert both.hu[:, SIDE // 2, SIDE // 2].tolist() == [10, 20]
    assert both.region.shape == both.bone.shape == both.metal.shape == (2, SIDE, SIDE)


@pytest.mark.parametrize("hu", [0.0, 55.0, 90.0])
def test_water_and_muscle_are_the_same_at_every_voltage(hu: float) -> None:
    assert middle_hu(even(hu), 80) == pytest.approx(hu, abs=2)
    assert middle_hu(even(hu), 140) == pytest.approx(hu, abs=2)


def test_a_low_voltage_raises_bone_and_contrast_medium_and_lowers_fat() -> None:
    """Iodine's contrast grows by about 1.7 from 120 to 80 kVp, that of bone's mineral by about 1.4."""
    bone, iodine, fat = even(600.0, Region.BONE, 1.0), even(300.0), even(-100.0)
    assert middle_hu(bone, 120) == pytest.approx(600, abs=2)
    assert 1.25 < middle_hu(bone, 80) / 600 < 1.6
    assert middle_hu(bone, 140) < 590
    assert 1.4 < (middle_hu(iodine, 80) - 100) / 200 < 2.0
    assert -135 < middle_hu(fat, 80) < -103
    assert middle_hu(fat, 120) == pytest.approx(-100, abs=2)


def test_bone_that_fills_half_a_pixel_is_raised_half_as_much() -> None:
    whole, half = (middle_hu(even(400.0, Region.BONE, share), 80) - 400 for share in (1.0, 0.5))
    assert half == pytest.approx(whole / 2, rel=0.05)


def test_every_slice_has_its_own_voltage() -> None:
    two = settings(2)
    two = replace(two, kvp=torch.tensor([80.0, 120.0]))
    hu, _ = scan(Slab.together([even(300.0), even(300.0)]), two)
    assert float(hu[0, 32, 32]) > 400
    assert float(hu[1, 32, 32]) == pytest.approx(300, abs=2)


def test_labels_follow_the_picture_without_noise() -> None:
    slab = even(55.0)
    noisy, labels = scan(slab, settings(noise_hu=(60, 60)))
    _, clear = scan(slab, settings())
    assert labels.equal(clear)
    assert labels.dtype == torch.uint8
    assert (noisy[labels == Tissue.MUSCLE] < -30).any(), "noise alone would have changed labels"


def test_a_blurred_wall_is_labelled_as_it_looks() -> None:
    """A wall thinner than the kernel falls below the threshold of cortical bone."""
    slab = even(-60.0, Region.BONE, 1.0)
    slab.hu[0, :, SIDE // 2] = 700.0
    _, sharp = expose(slab, 2.0, settings(kernel_fwhm_mm=(1, 1)), torch.Generator())
    _, soft = expose(slab, 2.0, settings(kernel_fwhm_mm=(8, 8)), torch.Generator())
    assert sharp[0, SIDE // 2, SIDE // 2] == Tissue.CORTICAL_BONE
    assert soft[0, SIDE // 2, SIDE // 2] != Tissue.CORTICAL_BONE


def test_outside_a_truncated_field_nothing_is_labelled() -> None:
    hu, labels = scan(even(55.0), settings(truncated=1, fov_radius_mm=(40, 40)))
    rows, columns = torch.meshgrid(2.0 * torch.arange(SIDE), 2.0 * torch.arange(SIDE), indexing="ij")
    away = torch.hypot(rows - (SIDE - 1), columns - (SIDE - 1))
    assert (labels[0][away > 41] == 0).all()
    assert (hu[0][away > 41] == -1024).all()
    assert (labels[0][away < 39] == Tissue.MUSCLE).all()
