#pragma once
// Plots as SVG text for HTML pages: no scripts, no links, colours by CSS class so that a page can be light or
// dark. Sizes are bounded by what is passed in. All text is escaped.

#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace petavox::app {

/// For text and attribute values. Control characters, which HTML does not allow, become U+FFFD.
std::string escape_html(std::string_view text);

/// About `count` round numbers from 0 up to `top` (included if it is one of them).
std::vector<double> round_ticks(double top, int count);

/// A drawing of fixed inner size that scales with the page.
class Svg {
 public:
  Svg(double width, double height, std::string_view title);

  void rect(double x, double y, double width, double height, std::string_view css_class,
            std::string_view tooltip = {}, double opacity = 1);
  void line(double x1, double y1, double x2, double y2, std::string_view css_class);
  /// `anchor`: start, middle or end.
  void text(double x, double y, std::string_view text, std::string_view anchor = "start");
  void polyline(const std::vector<std::pair<double, double>>& points, std::string_view css_class);
  /// Filled down to `floor_y`.
  void area(const std::vector<std::pair<double, double>>& points, double floor_y, std::string_view css_class);
  /// The whole element.
  std::string finish() const;

 private:
  double width_, height_;
  std::string title_, body_;
};

/// The frame of a plot: a box within an Svg with axes from 0.
struct Axes {
  double left = 70, top = 10, width = 700, height = 160;
  double x_max = 1, y_max = 1;
  double x(double value) const { return left + width * value / x_max; }
  double y(double value) const { return top + height * (1 - value / y_max); }
  /// Ticks, grid lines and numbers.
  void draw(Svg& svg, const std::function<std::string(double)>& x_text,
            const std::function<std::string(double)>& y_text) const;
};

}  // namespace petavox::app
