//! Grouping rows into batches: by a budget of tokens where order is free (evaluation, prediction), by a fixed number
//! of rows where the order is the epoch's (training). Batches are ragged, so a budget counts tokens, not padding.

/// Rows sorted by length, ascending and stable, cut so that each batch's lengths sum to at most `max_tokens`. A
/// single row above the budget forms a batch of its own. `lengths` is in tokens, one for each row; the result holds
/// each row index once.
pub fn by_length(lengths: &[usize], max_tokens: usize) -> Vec<Vec<usize>> {
    let mut rows: Vec<(usize, usize)> = lengths.iter().copied().enumerate().map(|(i, n)| (n, i)).collect();
    rows.sort_unstable();
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut tokens = 0usize;
    for (length, row) in rows {
        if !batch.is_empty() && tokens.checked_add(length).is_none_or(|sum| sum > max_tokens) {
            batches.push(std::mem::take(&mut batch));
            tokens = 0;
        }
        batch.push(row);
        tokens = tokens.saturating_add(length);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_cases() {
        assert_eq!(by_length(&[5, 1, 9, 1], 6), vec![vec![1, 3], vec![0], vec![2]]);
        assert_eq!(by_length(&[3, 3, 3], 6), vec![vec![0, 1], vec![2]]);
        assert_eq!(by_length(&[2, 2], 0), vec![vec![0], vec![1]]);
        assert_eq!(by_length(&[usize::MAX, usize::MAX], usize::MAX), vec![vec![0], vec![1]]);
        assert!(by_length(&[], 8).is_empty());
    }

    proptest! {
        #[test]
        fn complete_and_within_budget(lengths in prop::collection::vec(0usize..50, 0..80), budget in 0usize..100) {
            let batches = by_length(&lengths, budget);
            let mut rows: Vec<usize> = batches.concat();
            let sorted: Vec<(usize, usize)> = rows.iter().map(|&i| (lengths[i], i)).collect();
            prop_assert!(sorted.is_sorted());
            rows.sort_unstable();
            prop_assert!(rows.into_iter().eq(0..lengths.len()));
            for batch in &batches {
                let tokens: usize = batch.iter().map(|&i| lengths[i]).sum();
                prop_assert!(!batch.is_empty() && (batch.len() == 1 || tokens <= budget));
            }
        }
    }
}
