// SPDX-License-Identifier: MIT
#include "admin/chart.h"

#include "admin/html.h"

/* In the units of the drawing; the page stretches it. */
enum { HEIGHT = 32, STEP = 4, BAR = 100 };

static int height(double value, double max)
{
    return HEIGHT - 1 - (int)(value / max * (HEIGHT - 2) + 0.5);
}

static double highest(const double *values, int count)
{
    double max = 0;
    for (int i = 0; i < count; i++)
        if (values[i] > max)
            max = values[i];
    return max > 0 ? max : 1;
}

/* One stretch without gaps, from..to included: the line, and the field below it. A single value is
 * a dot: a line of no length with round ends. */
static void add_stretch(struct ef_buf *out, const double *values, int from, int to, double max)
{
    ef_buf_printf(out, "<path class=field d=\"M%d %d", from * STEP, HEIGHT);
    for (int i = from; i <= to; i++)
        ef_buf_printf(out, "L%d %d", i * STEP, height(values[i], max));
    ef_buf_printf(out, "V%dZ\"/><path class=line d=\"M%d %d", HEIGHT, from * STEP,
                  height(values[from], max));
    for (int i = from + (to > from); i <= to; i++)
        ef_buf_printf(out, "L%d %d", i * STEP, height(values[i], max));
    ef_buf_puts(out, "\"/>");
}

void ef_chart_line(struct ef_buf *out, const double *values, int count, const char *label)
{
    double max = highest(values, count);
    ef_buf_printf(out,
                  "<svg class=spark viewBox=\"0 0 %d %d\" preserveAspectRatio=none role=img "
                  "aria-label=\"",
                  (count - 1) * STEP, HEIGHT);
    ef_html_text(out, label);
    ef_buf_printf(out, "\"><path class=floor d=\"M0 %dH%d\"/>", HEIGHT - 1, (count - 1) * STEP);
    for (int i = 0, from = -1; i <= count; i++) {
        bool here = i < count && values[i] >= 0;
        if (here && from < 0)
            from = i;
        if (!here && from >= 0) {
            add_stretch(out, values, from, i - 1, max);
            from = -1;
        }
    }
    ef_buf_puts(out, "</svg>");
}

void ef_chart_bar(struct ef_buf *out, double used, double total, const char *label)
{
    double share = total > 0 && used > 0 ? used / total : 0;
    int width = (int)((share > 1 ? 1 : share) * BAR + 0.5);
    ef_buf_printf(out,
                  "<svg class=\"bar%s\" viewBox=\"0 0 %d 4\" preserveAspectRatio=none role=img "
                  "aria-label=\"",
                  share >= 0.95 ? " full" : "", BAR);
    ef_html_text(out, label);
    ef_buf_printf(out,
                  "\"><rect class=rail width=%d height=4 /><rect class=used width=%d height=4 />"
                  "</svg>",
                  BAR, width);
}
