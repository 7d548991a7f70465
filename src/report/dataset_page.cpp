#include "emotion/report/dataset_page.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "emotion/report/html.h"
#include "emotion/report/plot.h"

namespace emotion {
namespace {

constexpr std::size_t kShownClasses = 30, kShownPairs = 30;

double mean(std::uint64_t sum, std::uint64_t count) {
  return count == 0 ? 0.0 : static_cast<double>(sum) / static_cast<double>(count);
}

std::string share(std::uint64_t part, std::uint64_t whole) { return fmt::format("{} ({:.1f} %)", part, 100 * mean(part, whole)); }

std::string split_table(const std::vector<SplitStatistics>& splits) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& s : splits) {
    rows.push_back({s.split, std::to_string(s.samples), fmt::format("{:.2f}", mean(s.labels, s.samples)),
                    fmt::format("{:.1f}", mean(s.keywords, s.samples)), fmt::format("{:.2f}", mean(s.emotional, s.samples)),
                    std::to_string(s.distinct_keywords), share(s.with_face, s.samples), share(s.with_box, s.samples),
                    share(s.with_regions, s.samples), share(s.with_votes, s.samples)});
  }
  return html_table({"Split", "Images", "Labels an image", "Keywords an image", "Emotion keywords an image", "Distinct keywords",
                     "With a face", "With a box", "With regions", "With votes"},
                    rows);
}

std::string histogram(const std::string& title, const std::string& x_label, const std::vector<SplitStatistics>& splits,
                      std::map<std::uint64_t, std::uint64_t> SplitStatistics::*counts) {
  std::vector<Curve> curves;
  for (const auto& s : splits) {
    Curve curve{s.split, {}};
    const std::uint64_t last = (s.*counts).empty() ? 0 : (s.*counts).rbegin()->first;
    if (last == 0 || last > 100'000) continue;  // no keywords at all
    for (std::uint64_t n = 0; n <= last; ++n) {
      const auto found = (s.*counts).find(n);
      curve.points.emplace_back(static_cast<double>(n), found == (s.*counts).end() ? 0.0 : 100 * mean(found->second, s.samples));
    }
    curves.push_back(std::move(curve));
  }
  const std::string plot = curves.empty() ? "" : svg_plot(title, x_label, curves);
  return plot.empty() ? "" : fmt::format("<section><h2>{}, % of the images</h2>\n{}</section>\n", html_escape(title), plot);
}

std::vector<std::size_t> by_frequency(const std::vector<std::uint64_t>& counts) {
  std::vector<std::size_t> order(counts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return counts[a] > counts[b]; });
  return order;
}

std::string class_section(const Dataset& dataset, const std::vector<std::uint64_t>& counts, const std::vector<std::size_t>& order,
                          std::uint64_t images) {
  Curve curve{"classes", {}};
  for (std::size_t rank = 0; rank < order.size(); ++rank)
    curve.points.emplace_back(static_cast<double>(rank + 1), static_cast<double>(counts[order[rank]]));
  std::string html = "<section><h2>Classes by number of images</h2>\n" + svg_plot("Images of a class", "rank", {curve});
  std::vector<std::vector<std::string>> rows;
  for (std::size_t rank = 0; rank < std::min(order.size(), kShownClasses); ++rank)
    rows.push_back({dataset.classes[order[rank]], share(counts[order[rank]], images)});
  html += html_table({"Class", "Images"}, rows);
  if (order.size() > kShownClasses) html += fmt::format("<p>and {} rarer ones</p>\n", order.size() - kShownClasses);
  return html + "</section>\n";
}

/// Colour of part `p` of the images of the rarer class: white to blue.
std::string shade(double p) {
  const auto mix = [p](int full) {
    return static_cast<int>(std::lround(255 + (full - 255) * std::sqrt(std::clamp(p, 0.0, 1.0))));
  };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(0x00), mix(0x72), mix(0xb2));
}

std::string heat_map(const Dataset& dataset, const CooccurrenceMatrix& together, const std::vector<std::size_t>& order) {
  const std::size_t n = std::min(order.size(), kShownClasses);
  constexpr double kCell = 16, kText = 120;
  const double side = kText + kCell * static_cast<double>(n);
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {0:.0f} {0:.0f}\" width=\"{0:.0f}\" role=\"img\" aria-label=\"Emotions that stand together\" "
      "font-size=\"11\" font-family=\"system-ui, sans-serif\">\n",
      side);
  for (std::size_t i = 0; i < n; ++i) {
    const double at = kText + kCell * static_cast<double>(i);
    const std::string name = html_escape(dataset.classes[order[i]]);
    svg += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"end\">{}</text>\n", kText - 4, at + 12, name);
    svg += fmt::format("<text transform=\"translate({:.0f} {:.0f}) rotate(-90)\">{}</text>\n", at + 12, kText - 4, name);
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t a = order[i], b = order[j];
      const std::uint64_t rarer = std::min(together(a, a), together(b, b));
      if (i == j || rarer == 0 || together(a, b) == 0) continue;
      svg +=
          fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"15\" height=\"15\" fill=\"{}\"><title>{}, {}: {}</title></rect>\n",
                      kText + kCell * static_cast<double>(j), at, shade(mean(together(a, b), rarer)), name,
                      html_escape(dataset.classes[b]), together(a, b));
    }
  }
  return svg + "</svg>\n";
}

std::string cooccurrence_section(const Dataset& dataset, const CooccurrenceMatrix& together,
                                 const std::vector<std::size_t>& order) {
  const auto pairs = together.top_pairs(kShownPairs);
  if (pairs.empty()) return {};
  std::string html = fmt::format(
      "<section><h2>Emotions that stand together</h2>\n<p>The {} most frequent classes; the darker, the larger the part of the "
      "rarer class's images that have the other too.</p>\n",
      std::min(order.size(), kShownClasses));
  html += heat_map(dataset, together, order);
  std::vector<std::vector<std::string>> rows;
  for (const auto& pair : pairs) {
    rows.push_back({dataset.classes[pair.a] + ", " + dataset.classes[pair.b], std::to_string(pair.images),
                    fmt::format("{:.1f}", pair.lift)});
  }
  return html + html_table({"Pair", "Images", "Times as often as by chance"}, rows) + "</section>\n";
}

}  // namespace

std::string dataset_page(const Dataset& dataset, const std::vector<SplitStatistics>& splits, const CooccurrenceMatrix& together,
                         const std::optional<LabelNoise>& noise) {
  std::uint64_t images = 0;
  for (const auto& s : splits) images += s.samples;
  std::string body = fmt::format("<p>{} images, {} classes.</p>\n", images, dataset.classes.size()) + split_table(splits);
  if (noise) {
    body += fmt::format(
        "<section><h2>Label noise</h2><p>{} emotions of {} images were checked by people, {} were wrong: {:.1f} % (95 % interval "
        "{:.1f} to {:.1f} %). {} are not decided.</p></section>\n",
        noise->checked, noise->images, noise->wrong, 100 * noise->rate, 100 * noise->low, 100 * noise->high, noise->open);
  }
  body += histogram("Keywords of an image", "keywords", splits, &SplitStatistics::by_keywords);
  body += histogram("Emotion keywords of an image", "emotion keywords", splits, &SplitStatistics::by_emotional);
  std::vector<std::uint64_t> counts(dataset.classes.size());
  for (std::size_t k = 0; k < counts.size(); ++k) counts[k] = together(k, k);
  const auto order = by_frequency(counts);
  body += class_section(dataset, counts, order, images);
  body += cooccurrence_section(dataset, together, order);
  return html_page("Data set " + (dataset.name.empty() ? dataset.root.filename().string() : dataset.name), body);
}

}  // namespace emotion
