//! Where everything stands: columns from left to right, and rows in an order that crosses few lines.
//!
//! A line that passes columns has a bend in each of them, which takes a little room there, so that it runs between identities
//! and not through them. A bend that carries a label takes the room of the label, so that no other line runs through it. The order within columns is found by barycentre sweeps: each cell goes where its neighbours in
//! the column beside it are on average; the order with the fewest crossings is kept. Then each cell comes as near to the height of
//! its neighbours as the order and the gaps allow.

/// Height of a row, from the middle of an identity to the middle of the next.
pub const ROW: f64 = 36.0;

/// From a bend to the next.
const BEND: f64 = 12.0;

/// From a bend with a label to the next such.
pub const LABELLED: f64 = 24.0;

/// Sweeps for the order. It rarely gets better after a dozen.
const ORDER_SWEEPS: usize = 24;

/// Sweeps for the heights.
const HEIGHT_SWEEPS: usize = 12;

/// How much more a line of the chain pulls at its ends than others do. More than all others together, so that it comes out
/// nearly straight, also where it ends at a customer of two hundred sessions.
const CHAIN_PULL: f64 = 1_000_000.0;

/// What is to be laid out.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// How many columns there are.
    pub columns: usize,
    /// The column of each node, in the order in which they stand where nothing speaks against it.
    pub nodes: &'a [usize],
    /// Lines from a node to one of a column further to the right.
    pub lines: &'a [PlannedLine],
}

/// A line to be laid out.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlannedLine {
    /// The node at its left end.
    pub from: usize,
    /// The node at its right end.
    pub to: usize,
    /// Whether it is of the chain.
    pub chain: bool,
    /// The column that it passes in which its label stands on it.
    pub label: Option<usize>,
}

/// Where everything stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The middle of each node, from 0 at the top.
    pub nodes: Vec<f64>,
    /// The bends of each line, one for each column that it passes.
    pub bends: Vec<Vec<f64>>,
    /// The height of everything.
    pub height: f64,
}

/// A node or a bend.
struct Cell {
    column: usize,
    /// Its height: two that stand above each other are half of both apart.
    room: f64,
    /// Cells of the column to the left, and how much they pull; of the column to the right.
    beside: [Vec<(usize, f64)>; 2],
}

/// Finds a place for everything.
pub fn place(plan: Plan<'_>) -> Placement {
    let mut cells: Vec<Cell> = plan.nodes.iter().map(|&column| Cell::new(column, ROW)).collect();
    let mut bends: Vec<Vec<usize>> = Vec::with_capacity(plan.lines.len());
    for &PlannedLine { from, to, chain, label } in plan.lines {
        let pull = if chain { CHAIN_PULL } else { 1.0 };
        let (mut at, mut passed) = (from, Vec::new());
        for column in plan.nodes[from] + 1..plan.nodes[to] {
            cells.push(Cell::new(column, if label == Some(column) { LABELLED } else { BEND }));
            let bend = cells.len() - 1;
            tie(&mut cells, at, bend, 2.0 * pull);
            passed.push(bend);
            at = bend;
        }
        tie(&mut cells, at, to, pull);
        bends.push(passed);
    }
    let mut rows = vec![Vec::new(); plan.columns];
    for (at, cell) in cells.iter().enumerate() {
        rows[cell.column].push(at);
    }
    let rows = in_order(&cells, rows);
    let mut heights = heights(&cells, &rows);
    let top = heights.iter().copied().fold(f64::INFINITY, f64::min);
    heights.iter_mut().for_each(|height| *height -= top);
    let height = heights.iter().copied().fold(0.0, f64::max);
    // Upside down it is as good, and the chain belongs to the top.
    let chain = plan.lines.iter().filter(|line| line.chain).flat_map(|line| [line.from, line.to]);
    if chain.map(|node| 2.0 * heights[node] - height).sum::<f64>() > 0.0 {
        heights.iter_mut().for_each(|at| *at = height - *at);
    }
    Placement {
        nodes: heights[..plan.nodes.len()].to_vec(),
        bends: bends.into_iter().map(|passed| passed.into_iter().map(|bend| heights[bend]).collect()).collect(),
        height,
    }
}

impl Cell {
    fn new(column: usize, room: f64) -> Self {
        Self { column, room, beside: [Vec::new(), Vec::new()] }
    }
}

fn tie(cells: &mut [Cell], left: usize, right: usize, pull: f64) {
    cells[left].beside[1].push((right, pull));
    cells[right].beside[0].push((left, pull));
}

/// The cells of each column from top to bottom, in the order with the fewest crossings that the sweeps find.
fn in_order(cells: &[Cell], mut rows: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    let columns = rows.len();
    let mut place = vec![0.0; cells.len()];
    rows.iter().for_each(|row| number(row, &mut place));
    let mut best = (crossings(cells, &rows), rows.clone());
    for sweep in 0..ORDER_SWEEPS {
        if best.0 == 0 {
            break;
        }
        let side = sweep % 2;
        for step in 1..columns {
            let column = if side == 0 { step } else { columns - 1 - step };
            let wish = |&cell: &usize| {
                let beside = &cells[cell].beside[side];
                match beside.len() {
                    0 => place[cell],
                    many => beside.iter().map(|&(other, _)| place[other]).sum::<f64>() / many as f64,
                }
            };
            let mut row: Vec<(f64, usize)> = rows[column].iter().map(|cell| (wish(cell), *cell)).collect();
            row.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[column] = row.into_iter().map(|(_, cell)| cell).collect();
            number(&rows[column], &mut place);
        }
        let crossed = crossings(cells, &rows);
        if crossed < best.0 {
            best = (crossed, rows.clone());
        }
    }
    best.1
}

/// Gives the cells of a column their places, from 0 to 1 in each, so that columns of different heights can be compared.
fn number(row: &[usize], place: &mut [f64]) {
    for (at, &cell) in row.iter().enumerate() {
        place[cell] = (at as f64 + 0.5) / row.len() as f64;
    }
}

/// How many pairs of lines cross. O(lines log lines).
fn crossings(cells: &[Cell], rows: &[Vec<usize>]) -> usize {
    let mut place = vec![0; cells.len()];
    for row in rows {
        row.iter().enumerate().for_each(|(at, &cell)| place[cell] = at);
    }
    let mut crossed = 0;
    for pair in rows.windows(2) {
        // How many lines end at or above each place so far: a Fenwick tree.
        let mut tree = vec![0; pair[1].len() + 1];
        let mut lines = 0;
        for &cell in &pair[0] {
            let mut ends: Vec<usize> = cells[cell].beside[1].iter().map(|&(other, _)| place[other] + 1).collect();
            ends.sort_unstable();
            for &end in &ends {
                let (mut at, mut above) = (end, 0);
                while at > 0 {
                    above += tree[at];
                    at &= at - 1;
                }
                crossed += lines - above;
            }
            // Lines from one cell do not cross.
            for &end in &ends {
                lines += 1;
                let mut at = end;
                while at < tree.len() {
                    tree[at] += 1;
                    at += at & at.wrapping_neg();
                }
            }
        }
    }
    crossed
}

/// The height of each cell.
fn heights(cells: &[Cell], rows: &[Vec<usize>]) -> Vec<f64> {
    let mut heights = vec![0.0; cells.len()];
    for row in rows {
        let offsets = offsets(cells, row);
        let middle = offsets.last().copied().unwrap_or(0.0) / 2.0;
        row.iter().zip(&offsets).for_each(|(&cell, offset)| heights[cell] = offset - middle);
    }
    for sweep in 0..HEIGHT_SWEEPS {
        for step in 0..rows.len() {
            let row = &rows[if sweep % 2 == 0 { step } else { rows.len() - 1 - step }];
            let wishes: Vec<(f64, f64)> = row.iter().map(|&cell| wish(&cells[cell], heights[cell], &heights)).collect();
            let placed = apart(&wishes, &offsets(cells, row));
            row.iter().zip(placed).for_each(|(&cell, height)| heights[cell] = height);
        }
    }
    heights
}

/// Where a cell would be, were it alone in its column: as high as its neighbours on average. And how much it insists.
fn wish(cell: &Cell, own: f64, heights: &[f64]) -> (f64, f64) {
    let beside = || cell.beside.iter().flatten();
    let pull: f64 = beside().map(|&(_, pull)| pull).sum();
    if pull == 0.0 {
        return (own, 1.0);
    }
    (beside().map(|&(other, pull)| pull * heights[other]).sum::<f64>() / pull, pull)
}

/// How far each cell of a column is below the first, when they stand as near as they may.
fn offsets(cells: &[Cell], row: &[usize]) -> Vec<f64> {
    let mut offsets = Vec::with_capacity(row.len());
    let mut at = 0.0;
    for (place, &cell) in row.iter().enumerate() {
        if place > 0 {
            at += (cells[row[place - 1]].room + cells[cell].room) / 2.0;
        }
        offsets.push(at);
    }
    offsets
}

/// The places nearest to the wishes (by least squares, each with its weight) that keep the order and the gaps: runs of cells
/// that would overlap are put at the mean of their wishes.
fn apart(wishes: &[(f64, f64)], offsets: &[f64]) -> Vec<f64> {
    // Weighted sum, weight and length of each run.
    let mut runs: Vec<(f64, f64, usize)> = Vec::new();
    for (&(wish, weight), offset) in wishes.iter().zip(offsets) {
        let mut run = (weight * (wish - offset), weight, 1);
        while let Some(&(sum, weight, count)) = runs.last() {
            if sum / weight <= run.0 / run.1 {
                break;
            }
            run = (run.0 + sum, run.1 + weight, run.2 + count);
            runs.pop();
        }
        runs.push(run);
    }
    let starts = runs.into_iter().flat_map(|(sum, weight, count)| std::iter::repeat_n(sum / weight, count));
    starts.zip(offsets).map(|(start, offset)| start + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(from: usize, to: usize) -> PlannedLine {
        PlannedLine { from, to, ..PlannedLine::default() }
    }

    fn placed(columns: usize, nodes: &[usize], lines: &[PlannedLine]) -> Placement {
        place(Plan { columns, nodes, lines })
    }

    #[test]
    fn what_can_be_uncrossed_is() {
        // Three sessions and three customers, tied crosswise.
        let placement = placed(2, &[0, 0, 0, 1, 1, 1], &[line(0, 5), line(1, 4), line(2, 3)]);
        for (low, high) in [(0, 5), (1, 4), (2, 3)] {
            assert!((placement.nodes[low] - placement.nodes[high]).abs() < 0.5, "level: {placement:?}");
        }
        assert_eq!(placement.height, 2.0 * ROW);
    }

    #[test]
    fn rows_are_apart_and_a_customer_stands_amid_its_sessions() {
        let nodes = [0, 0, 0, 0, 0, 1];
        let lines: Vec<_> = (0..5).map(|session| line(session, 5)).collect();
        let placement = placed(2, &nodes, &lines);
        let mut heights = placement.nodes[..5].to_vec();
        heights.sort_by(f64::total_cmp);
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= ROW - 1e-9), "{heights:?}");
        assert!((placement.nodes[5] - 2.0 * ROW).abs() < 1e-9, "{placement:?}");
    }

    #[test]
    fn the_chain_is_straight_and_at_the_top() {
        let nodes: Vec<usize> = (0..41).map(|node| usize::from(node == 40)).collect();
        let lines: Vec<_> = (0..40).map(|session| PlannedLine { chain: session == 37, ..line(session, 40) }).collect();
        let placement = placed(2, &nodes, &lines);
        assert!((placement.nodes[37] - placement.nodes[40]).abs() < 1.0, "{placement:?}");
        assert!(placement.nodes[40] < 4.0 * ROW, "{placement:?}");
    }

    #[test]
    fn a_line_over_a_column_passes_beside_its_identities() {
        let placement = placed(3, &[0, 1, 2], &[line(0, 1), line(1, 2), line(0, 2)]);
        assert_eq!(placement.bends.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 1]);
        assert!((placement.bends[2][0] - placement.nodes[1]).abs() >= (ROW + BEND) / 2.0 - 1e-9, "{placement:?}");
    }

    #[test]
    fn no_line_runs_through_a_label() {
        // Two sessions of two customers each, seen crosswise: a column for labels stands between.
        let labelled = |from, to| PlannedLine { chain: true, label: Some(1), ..line(from, to) };
        let placement = placed(3, &[0, 0, 2, 2], &[labelled(0, 2), labelled(1, 2), line(0, 3), labelled(1, 3)]);
        let bends: Vec<f64> = placement.bends.iter().map(|bends| bends[0]).collect();
        for labelled in [0, 1, 3] {
            for other in (0..4).filter(|&other| other != labelled) {
                let room = if other == 2 { (LABELLED + BEND) / 2.0 } else { LABELLED };
                assert!((bends[labelled] - bends[other]).abs() >= room - 1e-9, "{bends:?}");
            }
        }
    }

    #[test]
    fn crossings_are_counted_once_a_pair() {
        let mut cells: Vec<Cell> = [0, 0, 1, 1].map(|column| Cell::new(column, ROW)).into();
        for (left, right) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
            tie(&mut cells, left, right, 1.0);
        }
        assert_eq!(crossings(&cells, &[vec![0, 1], vec![2, 3]]), 1);
        assert_eq!(crossings(&cells, &[vec![0, 1], vec![3, 2]]), 1);
    }

    #[test]
    fn wishes_are_kept_where_there_is_room() {
        assert_eq!(apart(&[(0.0, 1.0), (100.0, 1.0)], &[0.0, 36.0]), [0.0, 100.0]);
        assert_eq!(apart(&[(10.0, 1.0); 3], &[0.0, 36.0, 72.0]), [-26.0, 10.0, 46.0]);
        assert_eq!(apart(&[(0.0, 3.0), (0.0, 1.0)], &[0.0, 40.0]), [-10.0, 30.0]);
    }
}
