#include "emotion/report/duplicate_page.h"

#include <algorithm>
#include <map>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/io/file.h"
#include "emotion/report/html.h"
#include "emotion/report/picture.h"

namespace emotion {
namespace {

constexpr int kThumbnail = 110;           // pixels, shorter side
constexpr std::size_t kMostMembers = 12;  // of a group, shown

std::string figure(const Dataset& dataset, const DuplicateReport& report, const DuplicateGroup& group, std::size_t k) {
  const HashedPicture& picture = report.pictures[group.pictures[k]];
  const auto [bits, mirrored] = report.distance(group.pictures[0], group.pictures[k]);
  std::vector<std::string> splits;
  for (const std::size_t split : picture.splits) splits.push_back(report.splits[split]);
  const std::string role =
      k == 0 ? "<strong>kept</strong>" : fmt::format("{} {}{}", bits, bits == 1 ? "bit" : "bits", mirrored ? ", mirrored" : "");
  return fmt::format("<figure>{}<figcaption>{}<br>{} x {}, {}<br>{}</figcaption></figure>\n",
                     thumbnail_html(path_below(dataset.images(), picture.image), kThumbnail, picture.image),
                     html_escape(picture.image), picture.width, picture.height,
                     html_escape(fmt::format("{}", fmt::join(splits, ", "))), role);
}

}  // namespace

std::string duplicate_page(const Dataset& dataset, const DuplicateReport& report, std::size_t most) {
  std::string body = fmt::format(
      "<p>{} pictures, {} groups, {} pictures are not kept. Two pictures are near where their hashes differ in at most {} of 64 "
      "bits{}; a group is joined by chains of near pairs. Bits are counted from the picture that is kept, the largest.</p>\n",
      report.pictures.size(), report.groups.size(), report.dropped(), report.options.radius,
      report.options.mirrored ? ", one of them mirrored or not" : "");
  if (report.unreadable > 0) body += fmt::format("<p>{} pictures cannot be read and are in no group.</p>\n", report.unreadable);
  std::map<std::size_t, std::size_t> sizes;
  for (const auto& group : report.groups) ++sizes[group.pictures.size()];
  body += "<table><tr><th>Pictures in a group</th><th>Groups</th></tr>\n";
  for (const auto& [size, count] : sizes) body += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", size, count);
  body += "</table>\n";
  std::vector<std::size_t> order(report.groups.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return report.groups[a].pictures.size() > report.groups[b].pictures.size(); });
  if (order.size() > most) {
    body += fmt::format("<p>The {} largest groups are shown.</p>\n", most);
    order.resize(most);
  }
  for (const std::size_t g : order) {
    const DuplicateGroup& group = report.groups[g];
    body += fmt::format("<section><h2>Group {}: {} pictures</h2><div class=\"strip\">\n", g + 1, group.pictures.size());
    for (std::size_t k = 0; k < std::min(group.pictures.size(), kMostMembers); ++k) body += figure(dataset, report, group, k);
    body += "</div>\n";
    if (group.pictures.size() > kMostMembers) body += fmt::format("<p>and {} more</p>\n", group.pictures.size() - kMostMembers);
    body += "</section>\n";
  }
  return html_page("Near-duplicates of " + (dataset.name.empty() ? dataset.root.filename().string() : dataset.name), body);
}

}  // namespace emotion
