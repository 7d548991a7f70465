#include "emotion/report/html.h"

#include <fmt/format.h>

namespace emotion {
namespace {

/// Colours follow the reader's system, light or dark; on paper always light. Nothing is loaded from anywhere.
constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5d646b; --paper: #fff; --panel: #f4f5f7; --line: #d9dce0; --link: #0b5cad;
  --hit: 0,114,178; --miss: 213,94,0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #9aa2ab; --paper: #16181b; --panel: #212429; --line: #383d44;
  --link: #7db9f5; --hit: 60,150,215; --miss: 225,115,30; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 1.5rem auto 4rem; padding: 0 1rem; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-top: .4rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; } a { color: var(--link); } :focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: .5rem 0; list-style: none; }
.figures { display: flex; flex-wrap: wrap; gap: .6rem; padding: 0; margin: 1rem 0; list-style: none; }
.figures li { background: var(--panel); border-radius: .4rem; padding: .5rem .9rem; } .figures strong { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.figures span { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; margin: .5rem 0; } th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } td { font-variant-numeric: tabular-nums; } pre { background: var(--panel); padding: .8rem; overflow-x: auto; border-radius: .4rem; font-size: .85rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1rem 1.5rem; align-items: start; }
figure { margin: 0; min-width: 0; max-width: 34rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem .9rem; padding: 0; margin: .4rem 0; list-style: none; font-size: .88rem; color: var(--soft); } .legend svg { display: inline-block; width: 14px; height: 10px; }
 svg { width: 100%; height: auto; display: block; color: var(--ink); } svg .grid { stroke: var(--line); }
figure > figcaption.title { font-weight: 600; max-width: none; margin-bottom: .2rem; font-size: 1rem; color: var(--ink); }
details { margin: .3rem 0; } summary { cursor: pointer; color: var(--link); } .wide { overflow-x: auto; max-width: 100%; background: linear-gradient(to left, var(--paper) 40%, transparent) right / 2rem 100% no-repeat local, linear-gradient(to left, var(--line), transparent) right / .7rem 100% no-repeat scroll; }
.matrix td { text-align: center; padding: .2rem .35rem; border: 1px solid var(--line); min-width: 1.7rem; } .matrix th { border: 0; padding: .2rem .4rem .2rem 0; }
.matrix tr:first-child td { border: 0; } .many td { padding: .1rem .15rem; min-width: 1.3rem; font-size: .75rem; } .many th { font-size: .8rem; padding: .1rem .25rem .1rem 0; }
.matrix th[scope=col] { vertical-align: bottom; } .matrix th[scope=col] span { writing-mode: vertical-rl; transform: rotate(180deg); display: inline-block; max-height: 9rem; }
.strip { display: flex; flex-wrap: wrap; gap: .8rem; margin: .4rem 0; } .strip figure { width: 7rem; } .strip img { width: 100%; height: 7rem; object-fit: cover; border-radius: .3rem; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; color: var(--soft); } figcaption b { color: var(--ink); }
.strip + .strip { margin-top: 1.2rem; } .strip .query { border-right: 1px solid var(--line); padding-right: .8rem; width: calc(7.8rem + 1px); } img { max-width: 15rem; } .note, footer { color: var(--soft); font-size: .9rem; } footer { margin-top: 2.5rem; }
@media (max-width: 30rem) { th, td { padding-right: .45rem; } table { font-size: .85rem; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --panel: #f4f5f7; --line: #ccc; --hit: 0,114,178; --miss: 213,94,0; }
  body { margin: 0; max-width: none; font-size: 11px; } nav { display: none; } section, figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  section:has(pre), section:has(.long) { break-inside: auto; } .wide { overflow: visible; background: none; } pre { white-space: pre-wrap; }
  details::details-content { content-visibility: visible; block-size: auto; } summary { list-style: none; color: inherit; }
  figure details, section:has(> details > pre) { display: none; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
)";

}  // namespace

std::string html_escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string data_uri(std::string_view type, std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text = fmt::format("data:{};base64,", type);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
  }
  return text;
}

void HtmlParts::add(const std::string& title, const std::string& content) {
  if (content.empty()) return;
  const std::string id = fmt::format("part-{}", ++parts_);
  contents_ += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", id, html_escape(title));
  body_ += fmt::format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", id, html_escape(title), content);
}

std::string HtmlParts::html() const {
  return (parts_ > 1 ? "<nav aria-label=\"Contents\"><ul>\n" + contents_ + "</ul></nav>\n" : "") + body_;
}

std::string html_details(const std::string& summary, const std::string& content) {
  return content.empty() ? "" : fmt::format("<details><summary>{}</summary>\n{}</details>\n", html_escape(summary), content);
}

std::string html_table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return {};
  std::string html = "<div class=\"wide\" tabindex=\"0\"><table>\n<tr>";
  for (const auto& name : head) html += name.empty() ? "<td></td>" : "<th scope=\"col\">" + html_escape(name) + "</th>";
  for (const auto& row : rows) {
    html += "</tr>\n<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      html += i == 0 ? "<th scope=\"row\">" + html_escape(row[i]) + "</th>" : "<td>" + html_escape(row[i]) + "</td>";
  }
  return html + "</tr>\n</table></div>\n";
}

std::string html_page(const std::string& title, const std::string& body, const std::string& style) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\"><title>{0}</title>\n<style>{1}{3}</style></head>\n<body><main><h1>{0}</h1>\n{2}</main></body></html>\n",
      html_escape(title), kStyle, body, style);
}

}  // namespace emotion
