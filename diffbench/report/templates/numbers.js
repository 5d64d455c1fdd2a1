"use strict";
// Numbers as pages show them, as diffbench/report/tables/format.py does: three significant digits, never 0 for undefined.

const signed = (text) => text.replaceAll("-", "−");

function count(value) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return signed(value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, "\u202f"));
}

function number(value) {
  if (value === null || Number.isNaN(value)) return "undefined";
  if (Math.abs(value) < 1000) value = Number(value.toPrecision(3)); // 0.09996 has as many digits as 0.1
  if (!Number.isFinite(value) || Math.abs(value) >= 1000) return count(value);
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return signed(digits <= 5 ? value.toFixed(digits) : value.toExponential(1));
}

function interval(low, high) {
  return Number.isNaN(low) || Number.isNaN(high) ? "" : `[${number(low)}, ${number(high)}]`;
}
