#include "apps/petavox/svg.hpp"

#include <cmath>

#include <fmt/format.h>

namespace petavox::app {

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f)
          out += "\xef\xbf\xbd";
        else
          out += c;
      }
    }
  }
  return out;
}

std::vector<double> round_ticks(double top, int count) {
  std::vector<double> ticks{0};
  if (!(top > 0) || !std::isfinite(top)) return ticks;
  const double raw = top / count, power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= raw) {
      step = factor * power;
      break;
    }
  for (int i = 1; i <= 2 * count + 1 && i * step <= top * (1 + 1e-9); ++i) ticks.push_back(i * step);
  return ticks;
}

Svg::Svg(double width, double height, std::string_view title)
    : width_{width}, height_{height}, title_{escape_html(title)} {}

void Svg::rect(double x, double y, double width, double height, std::string_view css_class,
               std::string_view tooltip, double opacity) {
  fmt::format_to(std::back_inserter(body_),
                 R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}")", x, y,
                 std::max(width, 0.3), std::max(height, 0.3), css_class);
  if (opacity < 0.995) fmt::format_to(std::back_inserter(body_), R"( opacity="{:.2f}")", opacity);
  if (tooltip.empty())
    body_ += "/>";
  else
    body_ += "><title>" + escape_html(tooltip) + "</title></rect>";
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view css_class) {
  fmt::format_to(std::back_inserter(body_),
                 R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>)", x1, y1, x2, y2,
                 css_class);
}

void Svg::text(double x, double y, std::string_view text, std::string_view anchor) {
  fmt::format_to(std::back_inserter(body_), R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>)", x, y,
                 anchor, escape_html(text));
}

void Svg::polyline(const std::vector<std::pair<double, double>>& points, std::string_view css_class) {
  if (points.empty()) return;
  body_ += "<polyline points=\"";
  for (const auto& [x, y] : points) fmt::format_to(std::back_inserter(body_), "{:.1f},{:.1f} ", x, y);
  fmt::format_to(std::back_inserter(body_), R"(" class="{}"/>)", css_class);
}

void Svg::area(const std::vector<std::pair<double, double>>& points, double floor_y,
               std::string_view css_class) {
  if (points.empty()) return;
  fmt::format_to(std::back_inserter(body_), R"(<polygon points="{:.1f},{:.1f} )", points.front().first,
                 floor_y);
  for (const auto& [x, y] : points) fmt::format_to(std::back_inserter(body_), "{:.1f},{:.1f} ", x, y);
  fmt::format_to(std::back_inserter(body_), R"({:.1f},{:.1f}" class="{}"/>)", points.back().first, floor_y,
                 css_class);
}

std::string Svg::finish() const {
  return fmt::format(
      "<div class=\"plot\"><svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\"><title>{}</title>{}</svg></div>\n",
      width_, height_, title_, body_);
}

void Axes::draw(Svg& svg, const std::function<std::string(double)>& x_text,
                const std::function<std::string(double)>& y_text) const {
  for (const double tick : round_ticks(x_max, 6)) {
    svg.line(x(tick), top, x(tick), top + height, "grid");
    svg.text(x(tick), top + height + 16, x_text(tick), "middle");
  }
  for (const double tick : round_ticks(y_max, 4)) {
    svg.line(left, y(tick), left + width, y(tick), "grid");
    svg.text(left - 6, y(tick) + 4, y_text(tick), "end");
  }
}

}  // namespace petavox::app
