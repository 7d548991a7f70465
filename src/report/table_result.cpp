#include "emotion/report/table_result.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/report/html.h"

namespace emotion {
namespace {

std::vector<double> values_of(const TableCell& cell) {
  std::vector<double> values;
  for (const auto& value : cell.by_seed) {
    if (value) values.push_back(*value);
  }
  return values;
}

std::string figure(const std::optional<double>& value) { return value ? fmt::format("{:.2f}", *value) : "–"; }
std::string signed_figure(double value) { return fmt::format("{}{:.2f}", value < 0 ? "−" : "+", std::abs(value)); }

std::optional<double> difference(const std::optional<double>& printed, const TableCell& cell) {
  const auto values = values_of(cell);
  if (!printed || values.empty()) return std::nullopt;
  return estimate(values).mean - *printed;
}

bool usable(const TableCell& a, const TableCell& b) {
  for (std::size_t s = 0; s < a.by_seed.size(); ++s) {
    if (a.by_seed[s] && b.by_seed[s]) return true;
  }
  return false;
}

/// What stands for a row in comparisons: what was measured or, of a cited one, what is printed, the same for every seed.
std::vector<TableCell> compared_cells(const TableResult& result, std::size_t row) {
  std::vector<TableCell> cells = result.cells[row];
  if (!result.table.rows[row].cited() || !result.as_in_paper) return cells;
  for (std::size_t c = 0; c < cells.size(); ++c) cells[c].by_seed.assign(result.seeds.size(), result.table.rows[row].printed[c]);
  return cells;
}

OrderingResult judge_ordering(const TableResult& result, const Ordering& ordering) {
  OrderingResult judged{.ordering = ordering, .columns = {}, .differences = {}};
  const auto& rows = result.table.rows;
  judged.other_scale = !result.as_in_paper && (rows[ordering.better].cited() || rows[ordering.worse].cited());
  const auto better = compared_cells(result, ordering.better), worse = compared_cells(result, ordering.worse);
  std::vector<std::size_t> columns;
  for (const std::size_t c : ordering.columns) {
    if (!usable(better[c], worse[c])) continue;
    columns.push_back(c);
    judged.columns.push_back(result.table.columns[c].name);
  }
  for (std::size_t s = 0; s < result.seeds.size() && !columns.empty(); ++s) {
    double sum = 0;
    bool whole = true;
    for (const std::size_t c : columns) {
      const auto &a = better[c].by_seed[s], &b = worse[c].by_seed[s];
      whole = whole && a && b;
      if (whole) sum += result.table.columns[c].lower_is_better ? *b - *a : *a - *b;
    }
    if (whole) judged.differences.push_back(sum / static_cast<double>(columns.size()));
  }
  judged.verdict = judge(judged.differences);
  return judged;
}

/// Figures that are the same may differ by a rounding once they are averaged.
bool is_zero(double difference) { return std::abs(difference) < 1e-9; }

std::string direction(double mean) {
  if (is_zero(mean)) return "no difference";
  return mean > 0 ? "as the claim" : "against the claim";
}

/// Notes of a table, each once, numbered in the order they occur.
class Notes {
 public:
  std::size_t number(const std::string& note) {
    const auto found = std::find(notes_.begin(), notes_.end(), note);
    if (found != notes_.end()) return static_cast<std::size_t>(found - notes_.begin()) + 1;
    notes_.push_back(note);
    return notes_.size();
  }
  const std::vector<std::string>& all() const { return notes_; }

 private:
  std::vector<std::string> notes_;
};

std::string legend(const std::string& scale) {
  std::string text =
      "A cell: the paper's figure → mean ± standard deviation measured over the seeds (difference). An ordering: the mean "
      "difference of pairs that share a seed, with Student's 95 % interval.";
  if (scale != "paper") {
    text += " Scale " + scale +
            ": small networks on another world, so that the order of the rows can be compared with the paper's, not the figures.";
  }
  return text;
}

/// `65.81 → 64.20 ± 0.31 (−1.61)` or `65.81 → not run [1]`
std::string cell_text(const std::optional<double>& printed, const TableCell& cell, Notes& notes) {
  std::string text = figure(printed) + " → ";
  const auto values = values_of(cell);
  if (values.empty()) {
    const std::size_t colon = cell.note.find(':');
    if (colon == std::string::npos) return text + (cell.note.empty() ? "–" : cell.note);
    return text + fmt::format("{} [{}]", cell.note.substr(0, colon), notes.number(cell.note));
  }
  text += measured_text(cell);
  if (const auto change = difference(printed, cell)) text += " (" + signed_figure(*change) + ")";
  if (values.size() < cell.by_seed.size()) {
    text += fmt::format(", {} of {} seeds", values.size(), cell.by_seed.size());
    if (!cell.note.empty()) text += fmt::format(" [{}]", notes.number(cell.note));
  }
  return text;
}

std::string markdown_escape(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c == '\n' ? ' ' : c;
  }
  return escaped;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string table_html(const TableResult& result) {
  const PaperTable& table = result.table;
  Notes notes;
  std::string html =
      fmt::format("<p>{}</p>\n<div class=\"wide\" tabindex=\"0\"><table>\n<tr><td></td>", html_escape(table.source));
  for (const auto& column : table.columns) html += fmt::format("<th scope=\"col\">{}</th>", html_escape(column.name));
  html += "</tr>\n";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const std::string name = html_escape(table.rows[r].name);
    html += "<tr><th scope=\"row\">" +
            (result.runs[r].empty() ? name : fmt::format("<a href=\"{}\">{}</a>", html_escape(result.runs[r]), name)) + "</th>";
    for (std::size_t c = 0; c < table.columns.size(); ++c)
      html += "<td>" + html_escape(cell_text(table.rows[r].printed[c], result.cells[r][c], notes)) + "</td>";
    html += "</tr>\n";
  }
  html += "</table></div>\n";
  for (std::size_t i = 0; i < notes.all().size(); ++i)
    html += fmt::format("<p class=\"note\">[{}] {}</p>\n", i + 1, html_escape(notes.all()[i]));
  const auto orderings = judge_orderings(result);
  if (!orderings.empty()) html += "<h3>Orderings of the paper</h3>\n<ul>\n";
  for (const auto& o : orderings)
    html += fmt::format("<li>{}: {}</li>\n", html_escape(o.ordering.claim), html_escape(verdict_text(o)));
  return html + (orderings.empty() ? "" : "</ul>\n");
}

}  // namespace

std::string measured_text(const TableCell& cell) {
  const auto values = values_of(cell);
  if (values.empty()) return cell.note.empty() ? "–" : cell.note;
  const Estimate e = estimate(values);
  return e.count == 1 ? fmt::format("{:.2f}", e.mean) : fmt::format("{:.2f} ± {:.2f}", e.mean, e.deviation);
}

std::vector<OrderingResult> judge_orderings(const TableResult& result) {
  std::vector<OrderingResult> judged;
  for (const Ordering& ordering : result.table.orderings) judged.push_back(judge_ordering(result, ordering));
  return judged;
}

std::string verdict_text(const OrderingResult& result) {
  if (result.other_scale) return "figures of another work: compared at the paper's scale alone";
  if (result.verdict == Verdict::kUnknown) return "not measured";
  const Estimate e = estimate(result.differences);
  const std::string on = result.columns.size() > 1 ? fmt::format(", mean of {}", fmt::join(result.columns, ", ")) : "";
  if (e.count == 1) {
    return fmt::format("one seed decides nothing: {} ({}{})", signed_figure(e.mean), direction(e.mean), on);
  }
  const std::string numbers =
      fmt::format("{} [{}, {}] over {} seeds{}", signed_figure(e.mean), signed_figure(e.low), signed_figure(e.high), e.count, on);
  if (result.verdict == Verdict::kHolds) return "holds: " + numbers;
  if (result.verdict == Verdict::kFails) return "DOES NOT HOLD, the order is the other way round: " + numbers;
  return fmt::format("not decided, {}{}: {}", is_zero(e.mean) ? "" : "the mean is ", direction(e.mean), numbers);
}

std::string tables_markdown(std::span<const TableResult> results, const std::string& scale) {
  std::string text = legend(scale) + "\n";
  for (const TableResult& result : results) {
    const PaperTable& table = result.table;
    Notes notes;
    text += fmt::format("\n## {}: {}\n\n{}\n\n| |", table.id, table.title, table.source);
    for (const auto& column : table.columns) text += fmt::format(" {} |", markdown_escape(column.name));
    text += "\n|---|";
    for (std::size_t c = 0; c < table.columns.size(); ++c) text += "---|";
    for (std::size_t r = 0; r < table.rows.size(); ++r) {
      text += fmt::format("\n| {} |", markdown_escape(table.rows[r].name));
      for (std::size_t c = 0; c < table.columns.size(); ++c)
        text += fmt::format(" {} |", markdown_escape(cell_text(table.rows[r].printed[c], result.cells[r][c], notes)));
    }
    text += "\n";
    for (std::size_t i = 0; i < notes.all().size(); ++i) text += fmt::format("\n[{}] {}\n", i + 1, notes.all()[i]);
    const auto orderings = judge_orderings(result);
    if (!orderings.empty()) text += "\n";
    for (const auto& o : orderings) text += fmt::format("- {}: {}\n", o.ordering.claim, verdict_text(o));
  }
  return text;
}

std::string tables_csv(std::span<const TableResult> results) {
  std::string csv = "table,row,column,metric,paper,mean,deviation,seeds,difference,note,values\n";
  for (const TableResult& result : results) {
    for (std::size_t r = 0; r < result.table.rows.size(); ++r) {
      for (std::size_t c = 0; c < result.table.columns.size(); ++c) {
        const TableCell& cell = result.cells[r][c];
        const auto& printed = result.table.rows[r].printed[c];
        const auto values = values_of(cell);
        const auto change = difference(printed, cell);
        csv += fmt::format("{},{},{},{},{},", csv_field(result.table.id), csv_field(result.table.rows[r].name),
                           csv_field(result.table.columns[c].name), csv_field(result.table.columns[c].metric),
                           printed ? fmt::format("{}", *printed) : "");
        if (values.empty()) {
          csv += ",,0,,";
        } else {
          const Estimate e = estimate(values);
          csv += fmt::format("{:.4f},{},{},{},", e.mean, e.count > 1 ? fmt::format("{:.4f}", e.deviation) : "", e.count,
                             change ? fmt::format("{:.4f}", *change) : "");
        }
        csv += fmt::format("{},{}\n", csv_field(cell.note), csv_field(fmt::format("{:.4f}", fmt::join(values, " "))));
      }
    }
  }
  return csv;
}

std::string tables_html(std::span<const TableResult> results, const std::string& scale) {
  const std::string body = "<p>" + html_escape(legend(scale)) + "</p>\n";
  HtmlParts parts;
  for (const TableResult& result : results) parts.add(result.table.id + ": " + result.table.title, table_html(result));
  return html_page("Tables, scale " + scale, body + parts.html());
}

}  // namespace emotion
