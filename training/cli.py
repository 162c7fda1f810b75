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
        from training.config import load_config
        from training.train import train as run

        bundle = run(load_config(config), console)
        console.print(f"Done: {escape(str(bundle))}")


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    cases: Annotated[Path, typer.Option(help="Annotated cases, SUBJECT/CASE/ below it.")],
    out: Annotated[
        Path | None, typer.Option(help="Gets metrics.csv, summary.json and dsc.png; without it none.")
    ] = None,
) -> None:
    """Judge a bundle on annotated cases: DSC, ASSD, sensitivity, specificity of each tissue."""
    with _reported():
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


def cross_validate(
    config: ConfigArgument,
    folds: Annotated[
        int, typer.Option(min=2, help="The paper's are 10; as many as people leaves one out at a time.")
    ] = 10,
    cases: CasesPerPerson = 20,
) -> None:
    """Train and test k folds by subject, beside the paper's Table 1; finished folds are not repeated."""
    with _reported():
        from training.config import load_config
        from training.cross_validate import cross_validate as run
        from training.experiments import real_laboratory

        console.print(run(load_config(config), folds, cases, real_laboratory(), console))


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
        from training.config import load_config
        from training.synthesize import write_synthetic_cases

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
        from training.config import load_config
        from training.reference_slices import judge_reference_slices

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
