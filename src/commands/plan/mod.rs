//! `grandstand plan`: reads plans of other programs, checks plans, draws them, and writes out the
//! plan of a site (docs/PLAN-IMPORT.md).

mod check;
mod export;
mod preview;
mod text;

use crate::domain::plan::PLAN_BYTES_MAX;
use crate::plan_import::{ImportOptions, PlanForm, import_plan};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use export::Export;
use grandstand_embedded::{print, tell};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What to do with a plan.
#[derive(Subcommand)]
pub enum PlanCommand {
    /// Makes a site plan of the plan of another program. The exit status is 1 when the file has
    /// faults.
    Import(Import),
    /// Lists all faults of a site plan, each in a line with its place. The exit status is 1 when
    /// there are any.
    Check {
        /// The plan.
        file: PathBuf,
    },
    /// Draws a site plan as SVG.
    Preview {
        /// The plan.
        file: PathBuf,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        svg: PathBuf,
    },
    /// Writes the plan of a site to the standard output.
    Export(Box<Export>),
}

/// The arguments of `plan import`.
#[derive(Args)]
pub struct Import {
    /// The file of the other program.
    file: PathBuf,
    /// Its form.
    #[arg(long, value_enum)]
    from: PlanForm,
    /// The file to write. Without it, the plan goes to the standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Name of the site. Without it, the name in the file, or for CSV the name of the file.
    #[arg(long)]
    name: Option<String>,
    /// Price of a grade in KRW, by its code or its name; may be given again for each grade. Grades
    /// without a price are free.
    #[arg(long, value_name = "GRADE=AMOUNT", value_parser = price)]
    price: Vec<(String, i64)>,
    /// Distance of neighbours in metres: scales the whole plan. Without it, CSV is in metres, and
    /// neighbours of the other forms are 0.5 m apart.
    #[arg(long, value_name = "METRES", value_parser = spacing)]
    spacing: Option<f64>,
}

/// What a command says.
#[derive(Debug, Default)]
struct Outcome {
    /// For the standard output.
    text: String,
    /// For the standard error: what was left out, faults.
    notes: String,
    is_good: bool,
}

impl PlanCommand {
    /// Runs the command, and prints what it says. The status is 1 when a plan has faults.
    ///
    /// # Errors
    /// A file can't be read or written, or the site can't be had.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let outcome = self.outcome().await?;
        print(&outcome.text);
        tell(&outcome.notes);
        Ok(if outcome.is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn outcome(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Import(arguments) => import(arguments),
            Self::Check { file } => Ok(check::check(&read(&file)?)),
            Self::Preview { file, svg } => {
                let plan = check::sound_plan(&read(&file)?)?;
                write(&svg, &preview::svg(&plan))?;
                Ok(Outcome { is_good: true, ..Outcome::default() })
            }
            Self::Export(arguments) => {
                Ok(Outcome { text: arguments.run().await?, is_good: true, ..Outcome::default() })
            }
        }
    }
}

fn import(arguments: Import) -> anyhow::Result<Outcome> {
    let Import { file, from, out, name, price, spacing } = arguments;
    // CSV has no name.
    let stem = file.file_stem().filter(|_| from == PlanForm::Csv);
    let name = name.or_else(|| Some(stem?.to_string_lossy().into_owned()));
    let options = ImportOptions { name, prices: price, spacing };
    let imported = match import_plan(from, &read(&file)?, &options) {
        Ok(imported) => imported,
        Err(faults) => {
            return Ok(Outcome { notes: check::lines(&faults), ..Outcome::default() });
        }
    };
    let mut notes: String = imported.notes.iter().map(|note| format!("{note}\n")).collect();
    notes.push_str(&check::summary(&imported.plan));
    let text = match text::readable(&imported.plan)? {
        // With its spaces it would be too large for the API.
        text if text.len() > PLAN_BYTES_MAX => serde_json::to_string(&imported.plan)? + "\n",
        text => text,
    };
    let text = match out {
        Some(out) => {
            write(&out, &text)?;
            String::new()
        }
        None => text,
    };
    Ok(Outcome { text, notes, is_good: true })
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn price(text: &str) -> Result<(String, i64), String> {
    let (grade, amount) = text.rsplit_once('=').ok_or("it has no `=`")?;
    let amount = amount.parse().map_err(|_| format!("{amount:?} is no amount in KRW"))?;
    Ok((grade.to_owned(), amount))
}

fn spacing(text: &str) -> Result<f64, String> {
    let metres: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.1..=10.0).contains(&metres) {
        Ok(metres)
    } else {
        Err("neighbours are 0.1 to 10 m apart".to_owned())
    }
}
