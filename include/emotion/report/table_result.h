#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "emotion/report/paper_table.h"
#include "emotion/report/statistics.h"

namespace emotion {

/// What was measured for one row and column.
struct TableCell {
  std::vector<std::optional<double>> by_seed;  ///< in the table's unit; nothing where there is no measurement
  std::string note;                            ///< why there is none: `not run: data/fi is missing`, `failed: ..`
};

struct TableResult {
  PaperTable table;
  std::vector<std::uint64_t> seeds;
  std::vector<std::vector<TableCell>> cells;  ///< [row][column]
  std::vector<std::string> runs;              ///< a row's run folders, relative to the pages; empty where it has none
  bool as_in_paper = false;                   ///< at the paper's scale: the printed figures of cited rows can be compared with
};

/// Differences better - worse of an ordering, a number a seed for which both rows have every compared column: the mean over the
/// columns, turned so that positive supports the claim. A cited row stands with its printed figures, at the paper's scale alone.
struct OrderingResult {
  Ordering ordering;
  std::vector<std::string> columns;  ///< names of those compared: both rows measured
  std::vector<double> differences;
  Verdict verdict = Verdict::kUnknown;
  bool other_scale = false;  ///< not compared: a cited row, and another scale than the paper's
};
std::vector<OrderingResult> judge_orderings(const TableResult& result);

/// The same in a sentence: `holds: +2.10 [0.90, 3.30] over 3 seeds`.
std::string verdict_text(const OrderingResult& result);
/// The mean over the seeds measured, with the sample standard deviation: `52.51`, `48.30 ± 0.60`, or the note.
std::string measured_text(const TableCell& cell);

/// All tables with the paper's figures beside: Markdown, comma-separated values (a line a cell), a page.
std::string tables_markdown(std::span<const TableResult> results, const std::string& scale);
std::string tables_csv(std::span<const TableResult> results);
std::string tables_html(std::span<const TableResult> results, const std::string& scale);

}  // namespace emotion
