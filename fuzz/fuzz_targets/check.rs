//! The checker ends on any image, tells no more than it may keep, and finds nothing in the same image that it did not find before.
#![no_main]

use mkudf_ms_fuzz::image_target;
use udf::check::check;
use udf::read::OpenOptions;

/// Findings kept of one rule are bounded, and so are rules.
const MOST_FINDINGS: usize = 150 * 1000;

image_target!(|image| {
    let report = check(&image, &OpenOptions::default(), &mut |_| ());
    assert!(report.findings.len() <= MOST_FINDINGS, "{} findings", report.findings.len());
    for finding in &report.findings {
        let _ = finding.to_string();
    }
    let again = check(&image, &OpenOptions::default(), &mut |_| ());
    assert_eq!(report.findings.len(), again.findings.len());
});
