"""``coxa train …`` and what else is done with networks before they are in the product.

Exit codes: 0 done; 1 it failed; 2 the call or the configuration is wrong; 5 stopped, the same command goes
on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from inference.errors import BundleError
from training.errors import ConfigurationError, Stopped, TrainingError

FAILED, WRONG_CALL, STOPPED = 1, 2, 5

console = Console()
errors = Console(stderr=True)

ConfigArgument = Annotated[Path, typer.Argument(help="YAML; training/configs/ has some to start from.")]
CasesPerPerson = Annotated[
    int, typer.Option("--cases", min=1, help="With synthetic data: so many patients of each person.")
]


def add_commands(app: typer.Typer) -> None:
    """Put the commands of training on an application; the node's command line does so."""
    app.command()(train)
    app.command()(evaluate)
    app.command("cross-validate")(cross_validate)
    app.command()(robustness)
    app.command()(synthesize)
    app.command("reference-slices")(reference_slices)


def train(config: ConfigArgument) -> None:
    """Train a network and write it as a MONAI Bundle; goes on where it was stopped (exit code 5)."""
    with _reported():
        from training.tasks import load_training
        from training.train import train as run

        bundle = run(load_training(config), console)
        console.print(f"Done: {escape(str(bundle))}")


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    cases: Annotated[Path | None, typer.Option(help="Annotated cases, SUBJECT/CASE/ below it.")] = None,
    synthetic: Annotated[
        Path | None,
        typer.Option(help="Of thigh muscles: series of the people in this training's configuration."),
    ] = None,
    per_person: Annotated[int, typer.Option(min=1, help="With --synthetic: so many series of each.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Gets metrics.csv, summary.json and a picture; without it none.")
    ] = None,
) -> None:
    """Judge a bundle on annotated cases, or thigh muscles on synthetic ones.

    Of tissues: DSC, ASSD, sensitivity, specificity. Of muscles: DSC, ASSD, differences of volume.
    """
    with _reported():
        from inference.bundle import HIP_TISSUE, bundle_task

        if (cases is None) == (synthetic is None):
            raise ConfigurationError("Give either --cases or --synthetic.")
        if bundle_task(bundle) != HIP_TISSUE:
            _evaluate_muscles(bundle, cases, synthetic, per_person, out)
        elif cases is None:
            raise ConfigurationError("Hip tissue is judged on --cases; `coxa synthesize` makes some.")
        else:
            _evaluate_tissue(bundle, cases, out)


def _evaluate_tissue(bundle: Path, cases: Path, out: Path | None) -> None:
    from inference.bundle import load_bundle
    from training.cases import read_cases
    from training.evaluate import judge, labeller
    from training.evaluation_files import write_evaluation
    from training.gate import judge_gate
    from training.summary import over_cases
    from training.tables import evaluation_table

    model = load_bundle(bundle)
    judged = judge(labeller(model), read_cases(cases), console)
    people = len({case.subject for case in judged})
    title = f"{model.name} {model.version}: {len(judged)} cases of {people} people, mean ± SD over cases"
    console.print(evaluation_table(over_cases([case.scores for case in judged]), title))
    console.print(str(judge_gate(judged)))
    if out is not None:
        about = {"name": model.name, "version": model.version, "weights_sha256": model.weights_sha256}
        write_evaluation(out, judged, about)


def _evaluate_muscles(
    bundle: Path, cases: Path | None, synthetic: Path | None, per_person: int, out: Path | None
) -> None:
    from inference.muscle_bundle import load_muscle_bundle
    from training.muscle_cases import read_muscle_cases
    from training.muscle_config import load_muscle_config
    from training.muscle_domains import open_muscle_domain
    from training.muscle_evaluation import judge_volumes, muscle_labeller, write_volume_scores
    from training.muscle_summary import over_volumes
    from training.muscle_tables import muscle_table

    model = load_muscle_bundle(bundle)
    if cases is not None:
        chosen = read_muscle_cases(cases)
    elif synthetic is not None:
        config = load_muscle_config(synthetic)
        domain = open_muscle_domain(config.data, config.seed, per_person)
        chosen = domain.cases(domain.subjects)
    judged = judge_volumes(muscle_labeller(model), chosen, console)
    people = len({case.subject for case in judged})
    title = f"{model.name} {model.version}: {len(judged)} cases of {people} people, mean ± SD over cases"
    console.print(muscle_table(over_volumes(judged), title))
    if out is not None:
        about = {"name": model.name, "version": model.version, "weights_sha256": model.weights_sha256}
        write_volume_scores(out, judged, about)


def cross_validate(
    config: ConfigArgument,
    folds: Annotated[
        int, typer.Option(min=2, help="The paper's are 10; as many as people leaves one out at a time.")
    ] = 10,
    cases: CasesPerPerson = 20,
) -> None:
    """Train and test k folds by subject, beside the paper's table; finished folds are not repeated."""
    with _reported():
        from training.cross_validate import cross_validate as run
        from training.cross_validate import cross_validate_muscles
        from training.experiments import real_laboratory, real_muscle_laboratory
        from training.muscle_config import MuscleTraining
        from training.tasks import load_training

        settings = load_training(config)
        if isinstance(settings, MuscleTraining):
            laboratory = real_muscle_laboratory()
            console.print(cross_validate_muscles(settings, folds, cases, laboratory, console))
        else:
            console.print(run(settings, folds, cases, real_laboratory(), console))


def robustness(
    config: Annotated[Path, typer.Argument(help="YAML with two domains; docs/training.md has an example.")],
) -> None:
    """Train on A, test on A and B; train and test on A + B; beside the paper's Table 2."""
    with _reported():
        from training.config import read_settings
        from training.experiments import real_laboratory
        from training.robustness import RobustnessConfig
        from training.robustness import robustness as run

        for table in run(read_settings(config, RobustnessConfig), real_laboratory(), console):
            console.print(table)


def synthesize(
    config: ConfigArgument,
    folder: Annotated[Path, typer.Argument(help="Gets the cases, as `coxa evaluate` reads them.")],
    cases: CasesPerPerson = 1,
    person: Annotated[
        list[str] | None, typer.Option(help="Only this person's anatomy; may be given again.")
    ] = None,
    variation: Annotated[
        Path | None, typer.Option(help="What varies; without it what the configuration names.")
    ] = None,
) -> None:
    """Write synthetic cases with their true labels as NIfTI: five slices about the reference slice."""
    with _reported():
        from training.synthesize import write_synthetic_cases
        from training.tissue_config import load_config

        written = write_synthetic_cases(folder, load_config(config), person or (), cases, console, variation)
        console.print(f"Done: {written} case(s) in {escape(str(folder))}")


def reference_slices(
    config: ConfigArgument,
    count: Annotated[int, typer.Option("--series", min=1, help="How many patients to draw and scan.")] = 40,
    out: Annotated[Path | None, typer.Option(help="Gets a histogram; without it none.")] = None,
    variation: Annotated[
        Path | None, typer.Option(help="What varies; without it what the configuration names.")
    ] = None,
) -> None:
    """Look for the thickest left femoral neck in synthetic series and compare with where it is."""
    with _reported():
        from training.reference_slices import judge_reference_slices
        from training.tissue_config import load_config

        console.print(judge_reference_slices(load_config(config), count, out, console, variation))


@contextmanager
def _reported() -> Iterator[None]:
    """Errors made for people are shown to them, without a traceback."""
    try:
        yield
    except Stopped as stopped:
        console.print(escape(str(stopped)))
        raise typer.Exit(STOPPED) from None
    except ConfigurationError as error:
        errors.print(escape(str(error)), style="red")
        raise typer.Exit(WRONG_CALL) from None
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed: training needs `pip install 'coxa[training]'`."
        errors.print(escape(message), style="red")
        raise typer.Exit(FAILED) from None
    except (BundleError, TrainingError) as error:
        errors.print(escape(str(error)), style="red")
        raise typer.Exit(FAILED) from None
