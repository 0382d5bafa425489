//! How migrations hang together: the same account of the revisions as Alembic's own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::script::Script;

/// The graph of a set of migrations. Numbers are places in the list that it was made of.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Parents of each migration that exist.
    pub parents: Vec<Vec<usize>>,
    /// Migrations that each depends on besides its parents.
    pub dependencies: Vec<Vec<usize>>,
    /// Migrations that name each as a parent.
    pub children: Vec<Vec<usize>>,
    /// Migrations that nothing follows.
    pub heads: Vec<usize>,
    /// Heads on which nothing depends either.
    pub real_heads: Vec<usize>,
    /// Migrations without a parent.
    pub bases: Vec<usize>,
    /// Every migration, each behind its parents and what it depends on; those of cycles last.
    pub order: Vec<usize>,
    /// Groups of migrations that follow each other in a circle.
    pub cycles: Vec<Vec<usize>>,
    /// Parents and dependencies that do not exist: who names them, and what.
    pub missing: Vec<(usize, String)>,
    /// Ids that several migrations have.
    pub duplicates: BTreeMap<String, Vec<usize>>,
}

impl Graph {
    /// The graph of migrations. Where an id is given twice the last counts, as with Alembic.
    pub fn new(scripts: &[Script]) -> Graph {
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        let mut given: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, script) in scripts.iter().enumerate() {
            let Some(id) = script.revision.as_deref() else { continue };
            by_name.insert(id, number);
            given.entry(id).or_default().push(number);
        }
        let ids = by_name.clone();
        for (number, script) in scripts.iter().enumerate() {
            for label in &script.labels {
                by_name.entry(label).or_insert(number);
            }
        }
        let mut graph = Graph {
            parents: vec![Vec::new(); scripts.len()],
            dependencies: vec![Vec::new(); scripts.len()],
            children: vec![Vec::new(); scripts.len()],
            ..Graph::default()
        };
        graph.duplicates = given
            .into_iter()
            .filter(|(_, numbers)| numbers.len() > 1)
            .map(|(id, numbers)| (id.to_owned(), numbers))
            .collect();
        for (number, script) in scripts.iter().enumerate() {
            for parent in &script.parents {
                match ids.get(parent.as_str()) {
                    Some(&found) => {
                        graph.parents[number].push(found);
                        graph.children[found].push(number);
                    }
                    None => graph.missing.push((number, parent.clone())),
                }
            }
            for name in &script.depends_on {
                match by_name.get(name.as_str()) {
                    Some(&found) => graph.dependencies[number].push(found),
                    None => graph.missing.push((number, name.clone())),
                }
            }
        }
        graph.ends(scripts);
        graph.sort();
        graph
    }

    fn ends(&mut self, scripts: &[Script]) {
        let needed: BTreeSet<usize> = self.dependencies.iter().flatten().copied().collect();
        let known = |number: &usize| scripts[*number].revision.is_some();
        let all = || (0..scripts.len()).filter(known);
        self.heads = all().filter(|number| self.children[*number].is_empty()).collect();
        self.real_heads =
            self.heads.iter().copied().filter(|number| !needed.contains(number)).collect();
        self.bases = all().filter(|number| scripts[*number].parents.is_empty()).collect();
    }

    /// Kahn's algorithm; of those that may come next the one that was listed first does.
    fn sort(&mut self) {
        let count = self.parents.len();
        let before =
            |number: usize| self.parents[number].iter().chain(&self.dependencies[number]).copied();
        let mut waiting: Vec<usize> = (0..count).map(|number| before(number).count()).collect();
        let mut after = vec![Vec::new(); count];
        for number in 0..count {
            for earlier in before(number) {
                after[earlier].push(number);
            }
        }
        let mut ready: BTreeSet<usize> =
            (0..count).filter(|number| waiting[*number] == 0).collect();
        let mut order = Vec::with_capacity(count);
        while let Some(number) = ready.pop_first() {
            order.push(number);
            for &later in &after[number] {
                waiting[later] -= 1;
                if waiting[later] == 0 {
                    ready.insert(later);
                }
            }
        }
        let placed: BTreeSet<usize> = order.iter().copied().collect();
        let rest: Vec<usize> = (0..count).filter(|number| !placed.contains(number)).collect();
        self.cycles = circles(&rest, &after);
        order.extend(rest);
        self.order = order;
    }

    /// How many heads no label tells from the others: one that leads to this head alone.
    pub fn unlabelled(&self, scripts: &[Script]) -> usize {
        let mut told = BTreeSet::new();
        for (number, script) in scripts.iter().enumerate() {
            if script.labels.is_empty() {
                continue;
            }
            let mut behind = reached(number, &self.children);
            behind.insert(number);
            let heads = self.real_heads.iter().filter(|head| behind.contains(*head));
            if let [head] = heads.collect::<Vec<_>>().as_slice() {
                told.insert(**head);
            }
        }
        self.real_heads.len() - told.len()
    }

    /// Migrations that several follow.
    pub fn branch_points(&self) -> impl Iterator<Item = usize> {
        (0..self.children.len()).filter(|number| self.children[*number].len() > 1)
    }

    /// Migrations with several parents.
    pub fn merge_points(&self) -> impl Iterator<Item = usize> {
        (0..self.parents.len()).filter(|number| self.parents[*number].len() > 1)
    }
}

/// The strongly connected groups among `rest`: each node with those that it reaches and that
/// reach it.
fn circles(rest: &[usize], after: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let reach: BTreeMap<usize, BTreeSet<usize>> =
        rest.iter().map(|&start| (start, reached(start, after))).collect();
    let mut circles: Vec<Vec<usize>> = Vec::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    for &one in rest {
        if seen.contains(&one) || !reach[&one].contains(&one) {
            continue;
        }
        let circle: Vec<usize> = reach[&one]
            .iter()
            .copied()
            .filter(|other| reach.get(other).is_some_and(|reach| reach.contains(&one)))
            .collect();
        seen.extend(&circle);
        circles.push(circle);
    }
    circles
}

/// What follows a node, in any number of steps but none.
fn reached(start: usize, after: &[Vec<usize>]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut next: Vec<usize> = after[start].clone();
    while let Some(one) = next.pop() {
        if found.insert(one) {
            next.extend(&after[one]);
        }
    }
    found
}
