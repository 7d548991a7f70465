#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace emotion {

std::string html_escape(std::string_view text);
/// `data:TYPE;base64,..`: a picture within the page.
std::string data_uri(std::string_view type, std::string_view bytes);
/// A page of its own: no script, no font or style from elsewhere; readable when printed. `style`: more CSS.
std::string html_page(const std::string& title, const std::string& body, const std::string& style = {});

/// Parts of a page, each under a heading that a list above them leads to. A part without content is left out.
class HtmlParts {
 public:
  void add(const std::string& title, const std::string& content);
  std::string html() const;

 private:
  int parts_ = 0;
  std::string contents_, body_;
};

/// A part that is folded until it is opened. On paper it is open; the numbers of a plot and a text (<pre>) are left out there.
std::string html_details(const std::string& summary, const std::string& content);
/// A table; the first cell of each row is its heading.
std::string html_table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows);

}  // namespace emotion
