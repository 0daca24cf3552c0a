{
  "subject": {{ toJson .Subject }},
  "sans": [{"type": "0.2.481.1", "value": "raw:oAcNBWSXVs4b"}],
  "keyUsage": ["digitalSignature"],
  "extKeyUsage": ["serverAuth", "clientAuth"]
}
