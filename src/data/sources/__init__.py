"""The data sources that come with the project; `src.data.SOURCES` lists them."""
