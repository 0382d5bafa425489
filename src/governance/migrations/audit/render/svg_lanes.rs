//! Where each migration of a picture stands: a row each, in lanes as `git log --graph` has them.

/// A migration and what it follows, in the order of the picture: heads first.
pub(super) struct Node {
    /// Which.
    pub number: usize,
    /// What it follows.
    pub parents: Vec<usize>,
}

/// A line from a migration to one that it follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// The row of the later one.
    pub from: usize,
    /// The row of the earlier one.
    pub to: usize,
    /// The lane in which it runs between them.
    pub lane: usize,
}

/// The lane of each row, and the lines.
pub(super) struct Lanes {
    pub of: Vec<usize>,
    pub edges: Vec<Edge>,
    pub width: usize,
}

/// Gives each migration a lane.
pub(super) fn lanes(nodes: &[Node]) -> Lanes {
    // what each lane leads down to, and from which rows
    let mut open: Vec<Option<(usize, Vec<usize>)>> = Vec::new();
    let mut made = Lanes { of: Vec::with_capacity(nodes.len()), edges: Vec::new(), width: 0 };
    for (row, node) in nodes.iter().enumerate() {
        let mut own = None;
        for (lane, leads) in open.iter_mut().enumerate() {
            if leads.as_ref().is_some_and(|(number, _)| *number == node.number)
                && let Some((_, rows)) = leads.take()
            {
                made.edges.extend(rows.into_iter().map(|from| Edge { from, to: row, lane }));
                own = own.or(Some(lane));
            }
        }
        let own = own.unwrap_or_else(|| free(&mut open));
        made.of.push(own);
        for (place, parent) in node.parents.iter().enumerate() {
            let shared = open.iter_mut().flatten().find(|(number, _)| number == parent);
            match shared {
                // one lane leads to it already, and this line joins it
                Some((_, rows)) if place > 0 => rows.push(row),
                _ => {
                    let lane = match open.get(own) {
                        Some(None) => own,
                        None if own == open.len() => {
                            open.push(None);
                            own
                        }
                        _ => free(&mut open),
                    };
                    open[lane] = Some((*parent, vec![row]));
                }
            }
        }
        made.width = made.width.max(open.len()).max(own + 1);
    }
    made
}

fn free(open: &mut Vec<Option<(usize, Vec<usize>)>>) -> usize {
    open.iter().position(Option::is_none).unwrap_or_else(|| {
        open.push(None);
        open.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize, parents: &[usize]) -> Node {
        Node { number, parents: parents.to_vec() }
    }

    #[test]
    fn a_line_of_migrations_is_one_lane() {
        let lanes = lanes(&[node(2, &[1]), node(1, &[0]), node(0, &[])]);
        assert_eq!(lanes.of, [0, 0, 0]);
        assert_eq!(lanes.width, 1);
        assert_eq!(lanes.edges.len(), 2);
    }

    #[test]
    fn a_branch_and_its_merge_take_two() {
        // 4 merges 2 and 3, which both follow 1
        let lanes =
            lanes(&[node(4, &[2, 3]), node(3, &[1]), node(2, &[1]), node(1, &[0]), node(0, &[])]);
        assert_eq!(lanes.of, [0, 1, 0, 0, 0]);
        assert_eq!(lanes.width, 2);
        let to_base: Vec<&Edge> = lanes.edges.iter().filter(|edge| edge.to == 3).collect();
        assert_eq!(to_base.len(), 2);
    }
}
