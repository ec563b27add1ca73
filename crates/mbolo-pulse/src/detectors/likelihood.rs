//! The likelihood of counts that vary more than chance.

/// The log-likelihood ratio, in nats, of a mean `instead` against a mean `usual` for one observed count, negative
/// binomial with dispersion `r` (variance `mu + mu²/r`).
///
/// Below zero whenever `observed` is on the other side of `usual` than `instead`.
pub(crate) fn log_ratio(observed: f64, usual: f64, instead: f64, r: f64) -> f64 {
    let usual = usual.max(1e-9);
    let instead = instead.max(1e-9);
    observed * (instead / usual).ln() + (observed + r) * ((r + usual) / (r + instead)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_speaks_against_a_fault_and_much_more_speaks_for_it() {
        assert!(log_ratio(10.0, 10.0, 20.0, 5.0) < 0.0);
        assert!(log_ratio(20.0, 10.0, 20.0, 5.0) > 0.0);
        assert!(log_ratio(0.0, 50.0, 7.5, 50.0) > 20.0);
        // Little is learnt from few, and from what varies much.
        assert!(log_ratio(0.0, 1.0, 0.15, 50.0) < 1.0);
        assert!(log_ratio(0.0, 50.0, 7.5, 0.5) < 1.0);
    }
}
