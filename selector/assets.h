// What the HTML report carries inside; defined by sources that the build generates from the files (embed.cmake).
#pragma once

#include <string_view>

namespace siskin::selector {

std::string_view asset_chart_library();  // Chart.js, MIT licence, with its banner
std::string_view asset_report_script();
std::string_view asset_report_style();

}  // namespace siskin::selector
