/**
 * What the pages are made of: Airflow's own React, called directly.
 *
 * There is no framework build on purpose. Airflow hands its React to plugins as a global, browsers load ES modules
 * themselves, and a wheel without a bundler's output can be read, reviewed and patched where it is installed.
 */

const React = globalThis.React;

export const { Fragment, useCallback, useEffect, useId, useRef, useState } = React;

/**
 * Make an element. Text goes in as children, which React escapes; nothing here takes markup.
 *
 * @param {string | Function} type a tag or a component
 * @param {object | null} [props]
 * @param {...unknown} children
 */
export const h = (type, props, ...children) => React.createElement(type, props ?? null, ...children);

/**
 * Give Airflow a component. It looks for it under the name that the plugin registered.
 *
 * @param {string} name as in `mounting.py`
 * @param {Function} component
 */
export function register(name, component) {
  addStyles();
  globalThis[name] = component;
}

/** The styles are one file beside this one, for all components of the page. */
function addStyles() {
  const href = new URL("config.css", import.meta.url).href;
  if (![...document.styleSheets].some((each) => each.href === href)) {
    const link = document.createElement("link");
    Object.assign(link, { rel: "stylesheet", href });
    document.head.append(link);
  }
}
