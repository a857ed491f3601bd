// Draws the report's charts from the document in #data. Without it the tables say the same.
(function () {
  'use strict';
  const result = JSON.parse(document.getElementById('data').textContent);
  const metric = result.task.metric, moreIsBetter = metric === 'accuracy';
  const metricLabel = {bits_per_byte: 'bits per byte (less is better)', perplexity: 'perplexity (less is better)', accuracy: 'accuracy (more is better)'}[metric];
  const value = q => (q && typeof q.value === 'number' ? q.value : null);
  const families = [...new Set(result.candidates.map(c => c.family))];
  const types = [...new Set(result.candidates.map(c => c.type))];
  const shapes = ['circle', 'rectRot', 'triangle', 'rect', 'star', 'cross'];
  const chosen = new Set(result.chosen.map(c => c.name).filter(Boolean));
  const narrow = () => window.innerWidth < 620;
  const charts = [];

  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const familyColor = family => css('--s' + families.indexOf(family) % 8);
  const usd = x => '$' + (x >= 100 ? Math.round(x).toLocaleString('en-US') : x.toPrecision(3));
  const bytes = b => { const units = ['B', 'kB', 'MB', 'GB', 'TB']; let i = 0; while (b >= 1000 && i < 4) { b /= 1000; ++i; } return +b.toPrecision(3) + ' ' + units[i]; };
  const count = x => x >= 1000 ? Math.round(x).toLocaleString('en-US') : String(+x.toPrecision(3));

  // Vertical intervals, limit lines, the Pareto front's steps and labels beside the points, drawn over the points.
  const overlay = {
    id: 'overlay',
    beforeDatasetsDraw(chart, _, options) {
      const ctx = chart.ctx, area = chart.chartArea;
      ctx.save();
      for (const limit of options.limits || []) {
        const horizontal = limit.axis === 'y', pixel = chart.scales[limit.axis].getPixelForValue(limit.at);
        if (!(horizontal ? pixel >= area.top && pixel <= area.bottom : pixel >= area.left && pixel <= area.right)) continue;
        ctx.strokeStyle = css('--limit'); ctx.fillStyle = css('--limit'); ctx.setLineDash([6, 4]); ctx.lineWidth = 1.25;
        ctx.beginPath();
        if (horizontal) { ctx.moveTo(area.left, pixel); ctx.lineTo(area.right, pixel); } else { ctx.moveTo(pixel, area.top); ctx.lineTo(pixel, area.bottom); }
        ctx.stroke();
        ctx.font = '12px ' + Chart.defaults.font.family;
        if (horizontal) { ctx.textAlign = 'right'; ctx.textBaseline = 'bottom'; ctx.fillText(limit.text, area.right - 4, pixel - 3); }
        else { ctx.textAlign = pixel > area.right - 130 ? 'right' : 'left'; ctx.textBaseline = 'bottom'; ctx.fillText(limit.text, pixel + (ctx.textAlign === 'left' ? 5 : -5), area.bottom - 4); }
      }
      ctx.setLineDash([]);
      for (const bar of options.bars || []) {
        const x = chart.scales.x.getPixelForValue(bar.x), low = chart.scales.y.getPixelForValue(bar.low), high = chart.scales.y.getPixelForValue(bar.high);
        ctx.strokeStyle = bar.color(); ctx.globalAlpha = .55; ctx.lineWidth = 1.5;
        ctx.beginPath(); ctx.moveTo(x, low); ctx.lineTo(x, high);
        for (const end of [low, high]) { ctx.moveTo(x - 4, end); ctx.lineTo(x + 4, end); }
        ctx.stroke(); ctx.globalAlpha = 1;
      }
      if ((options.front || []).length > 1) {
        ctx.strokeStyle = css('--soft'); ctx.lineWidth = 1.25; ctx.globalAlpha = .8; ctx.beginPath();
        options.front.forEach((p, i) => {
          const x = chart.scales.x.getPixelForValue(p.x), y = chart.scales.y.getPixelForValue(p.y);
          if (i === 0) ctx.moveTo(x, y); else { ctx.lineTo(x, chart.scales.y.getPixelForValue(options.front[i - 1].y)); ctx.lineTo(x, y); }
        });
        ctx.stroke();
      }
      ctx.restore();
    },
    afterDatasetsDraw(chart, _, options) {
      const ctx = chart.ctx, area = chart.chartArea, taken = [];
      ctx.save(); ctx.font = '12px ' + Chart.defaults.font.family; ctx.textBaseline = 'middle';
      const points = (options.labels || []).map(l => ({...l, px: chart.scales.x.getPixelForValue(l.x), py: chart.scales.y.getPixelForValue(l.y)}));
      for (const bar of options.bars || []) {
        const x = chart.scales.x.getPixelForValue(bar.x), ends = [chart.scales.y.getPixelForValue(bar.low), chart.scales.y.getPixelForValue(bar.high)];
        taken.push([x - 2, Math.min(...ends), x + 2, Math.max(...ends)]);
      }
      for (const p of points) taken.push([p.px - 6, p.py - 6, p.px + 6, p.py + 6]);
      points.sort((a, b) => (b.strong ? 1 : 0) - (a.strong ? 1 : 0));
      for (const p of points) {
        const width = ctx.measureText(p.text).width;
        // The first free place around the point, nearest first; a crowded point goes without: the table and the tooltip name it.
        const places = [[10, 0], [-10 - width, 0], [10, -13], [10, 13], [-10 - width, -13], [-10 - width, 13], [-width / 2, -16], [-width / 2, 16], [14, -26], [14, 26], [-14 - width, -26], [-14 - width, 26], [-width / 2, -32], [-width / 2, 32], [18, -40], [18, 40]];
        for (const [dx, dy] of places) {
          const box = [p.px + dx - 1, p.py + dy - 7, p.px + dx + width + 1, p.py + dy + 7];
          const inside = box[0] >= area.left && box[2] <= area.right + 8 && box[1] >= area.top && box[3] <= area.bottom;
          if (!inside || taken.some(t => box[0] < t[2] && box[2] > t[0] && box[1] < t[3] && box[3] > t[1])) continue;
          taken.push(box);
          ctx.fillStyle = p.strong ? css('--ink') : css('--soft');
          ctx.font = (p.strong ? '600 ' : '') + '12px ' + Chart.defaults.font.family;
          ctx.fillText(p.text, p.px + dx, p.py + dy);
          break;
        }
      }
      ctx.restore();
    }
  };

  function axis(title, extra) {
    return Object.assign({
      title: {display: true, text: title, color: css('--soft')}, grid: {color: css('--line')}, border: {color: css('--line')},
      ticks: {color: css('--soft'), maxRotation: 0, autoSkipPadding: 18, includeBounds: false}
    }, extra);
  }

  function tooltip(lines) {
    return {backgroundColor: css('--card'), titleColor: css('--ink'), bodyColor: css('--ink'), borderColor: css('--line'), borderWidth: 1, padding: 10,
      displayColors: false, callbacks: {title: items => items[0].raw.name || items[0].dataset.label, label: item => lines(item.raw)}};
  }

  function legend() {
    return {position: 'bottom', labels: {color: css('--soft'), usePointStyle: true, boxWidth: 8, boxHeight: 8, padding: 14}};
  }

  // One data set per family, so that the legend names families; the shape tells the type.
  function familySets(points) {
    return families.map(family => {
      const own = points.filter(p => p.c.family === family).sort((a, b) => a.x - b.x);
      return {label: family, data: own, showLine: false, backgroundColor: own.map(p => p.faded ? 'transparent' : familyColor(family)),
        borderColor: familyColor(family), borderWidth: 2, pointRadius: own.map(p => chosen.has(p.name) ? 7 : 5), pointHoverRadius: 8,
        pointStyle: own.map(p => shapes[types.indexOf(p.c.type) % shapes.length])};
    }).filter(set => set.data.length);
  }

  const quality = c => value(c.quality);
  const latency = c => value(c.latency_ms.p99) ?? null;
  const faded = c => c.status !== 'passed';
  const say = c => [
    c.quality.value !== null ? metric + ' ' + c.quality.value.toPrecision(5) : 'quality not measured',
    value(c.quality.loss) !== null && !c.reference ? 'loss ' + (c.quality.loss.value * 100).toFixed(2) + '%' : '',
    latency(c) !== null ? 'p99 ' + latency(c).toPrecision(3) + ' ms' : '',
    bytes(value(c.bytes_per_token)) + ' a token', c.status.replace('_', ' ')].filter(Boolean);

  function qualityLimit() {
    const reference = result.candidates.find(c => c.reference);
    if (result.quality.min !== null) return {axis: 'y', at: result.quality.min, text: 'least allowed'};
    if (result.quality.max_loss === null || !reference || quality(reference) === null) return null;
    const at = quality(reference) * (moreIsBetter ? 1 - result.quality.max_loss : 1 + result.quality.max_loss);
    return {axis: 'y', at, text: result.quality.max_loss * 100 + '% loss'};
  }

  function yRange(points) {
    const values = points.flatMap(p => [p.y, p.low ?? p.y, p.high ?? p.y]);
    const limit = qualityLimit();
    if (limit) values.push(limit.at);
    const low = Math.min(...values), high = Math.max(...values), pad = (high - low || Math.abs(high) || 1) * .1;
    return {min: low - pad, max: high + pad};
  }

  function logRange(points) {
    const xs = points.map(p => p.x);
    return {min: Math.min(...xs) / 1.35, max: Math.max(...xs) * 1.6};
  }

  function scatter(id, points, xAxis, extra, lines) {
    if (!points.length) return empty(id);
    const overlayOptions = Object.assign({labels: narrow() ? points.filter(p => chosen.has(p.name)).map(label) : points.map(label)}, extra);
    charts.push(new Chart(document.getElementById(id), {
      type: 'scatter', data: {datasets: familySets(points)},
      options: {responsive: true, maintainAspectRatio: false, animation: false, layout: {padding: {right: 10, top: 6}},
        scales: {x: xAxis, y: axis(metricLabel, Object.assign(yRange(points), {reverse: !moreIsBetter}))},
        plugins: {legend: legend(), tooltip: tooltip(lines), overlay: overlayOptions}}, plugins: [overlay]}));
  }
  const label = p => ({x: p.x, y: p.y, text: p.name, strong: chosen.has(p.name)});

  function empty(id) {
    const note = document.createElement('p');
    note.className = 'soft';
    note.textContent = 'Nothing was measured that could be drawn here.';
    document.getElementById(id).parentElement.replaceWith(note);
  }

  function sizeChart() {
    const points = result.candidates.filter(c => quality(c) !== null).map(c => ({x: value(c.weight_bytes), y: quality(c), name: c.name, c, faded: faded(c),
      low: c.quality.ci ? c.quality.ci[0] : null, high: c.quality.ci ? c.quality.ci[1] : null}));
    const bars = points.filter(p => p.low !== null).map(p => ({x: p.x, low: p.low, high: p.high, color: () => familyColor(p.c.family)}));
    if (!points.length) return empty('size-chart');
    scatter('size-chart', points, logAxis('weights in memory', bytes, logRange(points)),
      {bars, limits: [qualityLimit()].filter(Boolean)}, p => say(p.c));
  }

  function latencyChart() {
    const points = result.candidates.filter(c => quality(c) !== null && latency(c) !== null)
      .map(c => ({x: latency(c), y: quality(c), name: c.name, c, faded: faded(c)}));
    if (!points.length) return empty('latency-chart');
    const limits = [qualityLimit()].filter(Boolean), p99 = result.budget.latency_ms.p99;
    const range = logRange(points.concat(p99 !== null ? [{x: p99}] : []));
    if (p99 !== null) limits.push({axis: 'x', at: p99, text: 'p99 budget ' + p99 + ' ms'});
    const front = points.filter(p => p.c.pareto).sort((a, b) => a.x - b.x);
    scatter('latency-chart', points, logAxis('p99 latency at the load carried, ms', count, range),
      {limits, front}, p => say(p.c));
  }

  // A logarithmic axis with ticks at 1, 2 and 5 times powers of ten, or at the powers alone where it spans many.
  function logAxis(title, format, range) {
    const leads = range.max && Math.log10(range.max / range.min) > (narrow() ? 1.2 : 2.5) ? [1] : [1, 2, 5];
    const build = scale => {
      const ticks = [];
      for (let e = Math.floor(Math.log10(scale.min)) - 1; e <= Math.log10(scale.max) + 1; ++e) {
        for (const lead of leads) { const at = lead * Math.pow(10, e); if (at >= scale.min && at <= scale.max) ticks.push({value: at}); }
      }
      if (ticks.length) scale.ticks = ticks;
    };
    return axis(title, Object.assign({type: 'logarithmic', afterBuildTicks: build,
      ticks: {color: css('--soft'), autoSkip: false, maxRotation: 0, callback: format}}, range));
  }

  function costChart() {
    const price = result.price, candidates = result.candidates.filter(c => c.status === 'passed' && value(c.max_qps_per_replica) !== null);
    if (price.usd_per_hour === null || !candidates.length) return empty('cost-chart');
    const volumes = result.chosen.map(c => c.qps), low = Math.min(...volumes) / 3, high = Math.max(...volumes) * 3, steps = 240;
    const bill = (c, q) => Math.max(price.min_replicas, Math.ceil(q / (price.headroom * value(c.max_qps_per_replica)))) * price.usd_per_hour * price.hours_per_month;
    const seen = {};
    const sets = candidates.map(c => {
      const nth = seen[c.family] = (seen[c.family] ?? -1) + 1, data = [];
      for (let i = 0; i <= steps; ++i) { const q = low * Math.pow(high / low, i / steps); data.push({x: q, y: bill(c, q), name: c.name}); }
      return {label: c.name, data, showLine: true, pointRadius: 0, pointHitRadius: 8, pointStyle: 'line', borderColor: familyColor(c.family),
        borderWidth: chosen.has(c.name) ? 3 : 1.5, borderDash: [[], [6, 3], [2, 3]][nth % 3], stepped: false};
    });
    const picks = result.chosen.filter(c => c.name && value(c.usd_per_month) !== null).map(c => ({x: c.qps, y: value(c.usd_per_month), name: c.name, pick: true}));
    if (picks.length) sets.push({label: 'chosen', data: picks, pointStyle: 'circle', pointRadius: 7, backgroundColor: css('--ink'), borderColor: css('--card'), borderWidth: 2, showLine: false, order: -1});
    const limits = result.chosen.filter(c => c.usd_per_month_limit !== null).map(c => ({x: c.qps, y: c.usd_per_month_limit, name: 'budget at ' + count(c.qps) + ' requests/s'}));
    if (limits.length) sets.push({label: 'budget', data: limits, pointStyle: 'crossRot', pointRadius: 7, borderColor: css('--limit'), backgroundColor: css('--limit'), borderWidth: 2, showLine: false, order: -1});
    charts.push(new Chart(document.getElementById('cost-chart'), {
      type: 'scatter', data: {datasets: sets},
      options: {responsive: true, maintainAspectRatio: false, animation: false,
        scales: {x: logAxis('requests a second', count, {min: low, max: high}),
          y: logAxis('dollars a month', usd, billRange(sets))},
        plugins: {legend: legend(), tooltip: tooltip(p => count(p.x) + ' requests/s: ' + usd(p.y) + ' a month'), overlay: {}}}}));
  }

  function billRange(sets) {
    const bills = sets.flatMap(set => set.data.map(p => p.y)).filter(y => y > 0);
    return {min: Math.min(...bills) / 1.5, max: Math.max(...bills) * 1.5};
  }

  function draw() {
    while (charts.length) charts.pop().destroy();
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    sizeChart(); latencyChart(); costChart();
  }
  draw();
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  let wasNarrow = narrow();
  window.addEventListener('resize', () => { if (narrow() !== wasNarrow) { wasNarrow = narrow(); draw(); } });
})();
