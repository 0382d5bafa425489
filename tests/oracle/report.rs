//! What is counted, and how it is shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use pgauthority::sql::Judgement;

use super::server::Observation;
use super::verdict::{Judged, Verdict, verdict};

/// Counts of one corpus.
#[derive(Default)]
struct Count {
    texts: usize,
    ran: usize,
    failed: usize,
    skipped: usize,
    alarms: usize,
    took: Duration,
}

/// Alarms of one reason.
#[derive(Default)]
pub struct Alarm {
    pub times: usize,
    pub example: String,
}

/// Everything about a run on one server.
#[derive(Default)]
pub struct Report {
    corpora: Vec<(&'static str, Count)>,
    /// By command tag: how often judged, and how often that ran.
    tags: BTreeMap<&'static str, (usize, usize)>,
    /// Corpus, what was wrong, the text.
    pub misses: Vec<(&'static str, String, String)>,
    /// By reason.
    pub alarms: BTreeMap<String, Alarm>,
    /// By reason: what is blocked on a replica alone.
    pub cautious: BTreeMap<String, Alarm>,
    /// Places of the grammar: in how many something with effects ran, and the others.
    places: (usize, Vec<String>),
    /// False alarms in the recorded traffic.
    pub traffic: Vec<String>,
}

impl Report {
    fn count(&mut self, corpus: &'static str) -> &mut Count {
        let known = self.corpora.iter().position(|(known, _)| *known == corpus);
        let at = known.unwrap_or_else(|| {
            self.corpora.push((corpus, Count::default()));
            self.corpora.len() - 1
        });
        &mut self.corpora[at].1
    }

    /// A text that was judged and not run.
    pub fn skipped(&mut self, corpus: &'static str, judgement: &Judgement) {
        let count = self.count(corpus);
        count.texts += 1;
        count.skipped += 1;
        for one in &judgement.statements {
            self.tags.entry(one.tag).or_default().0 += 1;
        }
    }

    /// A place of the grammar, and whether something with effects ran in it.
    pub fn place(&mut self, ran: bool, name: impl FnOnce() -> String) {
        match ran {
            true => self.places.0 += 1,
            false => self.places.1.push(name()),
        }
    }

    /// A text that was judged and run.
    pub fn ran(
        &mut self,
        corpus: &'static str,
        text: &str,
        judged: &[Judged<'_>],
        found: &Observation,
        took: Duration,
    ) {
        let judgement = judged[0].judgement;
        let worked = found.error.is_none();
        let outcomes: Vec<Verdict> =
            judged.iter().map(|judged| verdict(judged, found, text)).collect();
        let count = self.count(corpus);
        count.texts += 1;
        count.took += took;
        count.ran += usize::from(worked);
        count.failed += usize::from(!worked);
        count.alarms +=
            usize::from(outcomes.iter().any(|one| matches!(one, Verdict::FalseAlarm(_))));
        for one in &judgement.statements {
            let (seen, ran) = self.tags.entry(one.tag).or_default();
            *seen += 1;
            *ran += usize::from(worked);
        }
        // hidden code fires for itself
        if judged.len() > 1 {
            self.compare_tags(corpus, text, judgement, found);
        }
        for outcome in outcomes {
            self.note(corpus, text, outcome);
        }
    }

    fn note(&mut self, corpus: &'static str, text: &str, outcome: Verdict) {
        match outcome {
            Verdict::Sound => {}
            Verdict::Miss(why) => self.misses.push((corpus, why, text.to_owned())),
            Verdict::FalseAlarm(reason) => {
                if corpus == "traffic" {
                    self.traffic.push(format!("{text}\n  {reason}"));
                }
                note(&mut self.alarms, reason, text);
            }
            Verdict::Cautious(reason) => note(&mut self.cautious, reason, text),
        }
    }

    /// A statement that fires one event trigger has that one's tag.
    fn compare_tags(
        &mut self,
        corpus: &'static str,
        text: &str,
        judgement: &Judgement,
        found: &Observation,
    ) {
        if let ([tag], [ours]) = (&found.fired[..], &judgement.statements[..])
            && !matches!(ours.tag, "DO" | "EXPLAIN" | "SELECT" | "CREATE SCHEMA" | "???")
            && tag != ours.tag
        {
            let why = format!("fires {tag}, our tag is {}", ours.tag);
            self.misses.push((corpus, why, text.to_owned()));
        }
    }

    /// How many texts ran without an error.
    pub fn worked(&self) -> usize {
        self.corpora.iter().map(|(_, count)| count.ran).sum()
    }

    /// How many texts there were.
    pub fn texts(&self) -> usize {
        self.corpora.iter().map(|(_, count)| count.texts).sum()
    }

    /// The whole as tables. `kept` says why an alarm of this reason is kept.
    pub fn shown(&self, title: &str, kept: impl Fn(&str) -> Option<&'static str>) -> String {
        let mut out = format!("-- {title}\n");
        let mut line = |text: String| writeln!(out, "{text}").unwrap();
        line(format!(
            "{:<20}{:>9}{:>9}{:>9}{:>9}{:>14}{:>9}",
            "corpus", "texts", "ran", "failed", "not run", "false alarms", "seconds"
        ));
        for (corpus, count) in &self.corpora {
            line(format!(
                "{corpus:<20}{:>9}{:>9}{:>9}{:>9}{:>14}{:>9.1}",
                count.texts,
                count.ran,
                count.failed,
                count.skipped,
                count.alarms,
                count.took.as_secs_f64()
            ));
        }
        let never: Vec<_> = self.tags.iter().filter(|(_, (_, ran))| *ran == 0).collect();
        line(format!(
            "{} command tags, {} of them ran",
            self.tags.len(),
            self.tags.len() - never.len()
        ));
        for chunk in self.tags.iter().collect::<Vec<_>>().chunks(4) {
            let cells = chunk.iter().map(|(tag, (seen, ran))| {
                let numbers = format!("{ran}/{seen}");
                format!("{tag:<34}{numbers:>12}")
            });
            line(format!("  {}", cells.collect::<Vec<_>>().join("   ")));
        }
        let (ran, others) = &self.places;
        line(format!(
            "{} places of the grammar, in {ran} of them something with effects ran; not in",
            ran + others.len()
        ));
        for place in others {
            line(format!("  {place}"));
        }
        line(format!("misses: {}", self.misses.len()));
        for (corpus, why, text) in self.misses.iter().take(60) {
            line(format!("  [{corpus}] {why}\n    {text}"));
        }
        line(format!("false alarms: {}", self.alarms.values().map(|a| a.times).sum::<usize>()));
        for (reason, alarm) in &self.alarms {
            let why = kept(reason).unwrap_or("NOT KEPT");
            line(format!("  {:>6}  {reason}: {why}\n          {}", alarm.times, alarm.example));
        }
        let times = self.cautious.values().map(|alarm| alarm.times).sum::<usize>();
        line(format!("write, but harmless as run (blocked on replicas alone): {times}"));
        for (reason, alarm) in &self.cautious {
            line(format!("  {:>6}  {reason}\n          {}", alarm.times, alarm.example));
        }
        out
    }
}

fn note(alarms: &mut BTreeMap<String, Alarm>, reason: String, text: &str) {
    let alarm = alarms.entry(reason).or_default();
    alarm.times += 1;
    if alarm.example.is_empty() || text.len() < alarm.example.len() {
        alarm.example = text.to_owned();
    }
}
